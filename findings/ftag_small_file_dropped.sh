#!/usr/bin/env bash
# A file with a small share of the jets is left out by ftag's reader.
#
# H5Reader divides a batch among its files by their numbers of jets and rounds each share down. A
# share below one jet is zero, and that file is never read: no jet of it comes, without an error
# or warning. A rare sample listed beside a large one disappears once the batch is smaller than
# the ratio of the two. With batches of 1,000 all files are read.
#
# Packages: atlas-ftag-tools==0.3.6, numpy==2.4.6, h5py==3.16.0, hdf5plugin==7.1.0, scipy==1.17.1, PyYAML==6.0.4; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check atlas-ftag-tools==0.3.6 numpy==2.4.6 h5py==3.16.0 hdf5plugin==7.1.0 scipy==1.17.1 PyYAML==6.0.4
cd "$place"
cat > expected <<'END'
batch 1000 jets of each file [100, 30, 10]
batch 12 jets of each file [100, 30, 0]
END
venv/bin/python - > seen <<'END'
import h5py
import numpy as np
from ftag.hdf5 import H5Reader

sizes = {"a.h5": 100, "b.h5": 30, "c.h5": 10}
first = 0
for name, size in sizes.items():
    with h5py.File(name, "w") as file:
        jets = np.zeros(size, dtype=[("index", "i8")])
        jets["index"] = first + np.arange(size)
        file["jets"] = jets
    first += 1_000
for batch in (1_000, 12):
    reader = H5Reader(list(sizes), batch_size=batch, shuffle=False)
    seen = np.concatenate([part["jets"]["index"] for part in reader.stream({"jets": ["index"]})])
    print("batch", batch, "jets of each file", [int((seen // 1_000 == i).sum()) for i in range(3)])
END
cat seen
diff expected seen && echo "unchanged"
