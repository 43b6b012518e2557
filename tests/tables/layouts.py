"""Small files in the layouts that are published, written by hand."""

import pickle

import h5py
import numpy as np


def pandas_fixed(path, key, blocks):
    """Write a data frame as pandas' fixed format does; `blocks` are (names, values)."""
    with h5py.File(path, "w") as file:
        group = file.create_group(key)
        group.attrs["pandas_type"] = np.bytes_(b"frame")
        group.attrs["nblocks"] = np.int64(len(blocks))
        group["axis1"] = np.arange(len(blocks[0][1]))
        for number, (names, values) in enumerate(blocks):
            text = isinstance(names[0], str)
            group[f"block{number}_items"] = np.array(names, dtype="S" if text else "i8")
            group[f"block{number}_values"] = values


def pandas_table(path, key, blocks, data_columns=()):
    """Write a data frame as pandas' table format does."""
    rows = len(blocks[0][1])
    kinds = [("index", "i8")]
    kinds += [(f"values_block_{k}", v.dtype, v.shape[1:]) for k, (_, v) in enumerate(blocks)]
    kinds += [(name, values.dtype) for name, values in data_columns]
    table = np.zeros(rows, dtype=kinds)
    for number, (_, values) in enumerate(blocks):
        table[f"values_block_{number}"] = values
    for name, values in data_columns:
        table[name] = values
    with h5py.File(path, "w") as file:
        group = file.create_group(key)
        group.attrs["pandas_type"] = np.bytes_(b"frame_table")
        group["table"] = table
        for number, (names, _) in enumerate(blocks):
            pickled = pickle.dumps(list(names), protocol=0)
            group["table"].attrs[f"values_block_{number}_kind"] = np.bytes_(pickled)
