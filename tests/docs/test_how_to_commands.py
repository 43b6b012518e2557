"""The commands of the how-to pages on layouts of files run in order, on files of the field."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "boosted_jets.parquet"
DATA = Path(os.environ.get("BUNCHTRAIN_DATA", "/nowhere"))
#: Page → name of a file on it → the file that stands for it.
PAGES = {
    "nanoaod": {"nano.root": "root/nanoAOD_2015_CMS_Open_Data_ttbar.root"},
    "daod": {"physlite.root": "root/PHYSLITE_example.root"},
    "flat_ntuples": {
        "htautau.parquet": "higgs/bef3e24_test_htautau.parquet",
        "ttbar.parquet": "higgs/bef3e24_test_ttbar.parquet",
    },
    "hdf5_jets": {},
    "images": {},
    "csv": {"binary.train.gz": "higgs/binary.train.gz"},
}
SMALL = ("training.epochs=1", "training.threads=1", "training.events=2000")


def write_jets(path):
    """Write the shipped jets as structured arrays, jets and tracks, with a field `valid`."""
    h5py = pytest.importorskip("h5py")
    events = ak.from_parquet(SAMPLE)
    names = {"event_id": "i8", "is_top": "?", "pt": "f4", "eta": "f4", "phi": "f4", "mass": "f4"}
    jets = np.empty(len(events), list(names.items()))
    for name in names:
        jets[name] = events[name if name in ("event_id", "is_top") else f"jet_{name}"]
    counts = ak.to_numpy(ak.num(events["constituent_px"]))
    tracks = np.zeros((len(events), 32), [(n, "f4") for n in ("px", "py", "pz", "energy")]
                      + [("valid", "?")])  # fmt: skip
    tracks["valid"] = np.arange(32) < counts[:, None]
    for name in ("px", "py", "pz", "energy"):
        padded = ak.fill_none(ak.pad_none(events[f"constituent_{name}"], 32, clip=True), 0)
        tracks[name] = ak.to_numpy(padded)
    with h5py.File(path, "w") as file:
        file["jets"], file["tracks"] = jets, tracks


def prepare(page, folder):
    """Put the files that a page names into a folder."""
    for name, path in PAGES[page].items():
        (folder / name).symlink_to(DATA / path)
    (folder / "samples").mkdir()
    shutil.copy(SAMPLE, folder / "samples")
    if page == "hdf5_jets":
        write_jets(folder / "jets.h5")
    if page == "csv":
        rows = np.loadtxt(DATA / "higgs" / "binary.test.gz", max_rows=50)[:, 1:]
        np.savetxt(folder / "unlabelled.csv", rows, delimiter=",")
    text = (ROOT / "docs" / "how_to" / f"{page}.md").read_text(encoding="utf-8")
    for title, content in re.findall(r'^```yaml title="(.*?)"\n(.*?)^```$', text, re.M | re.S):
        (folder / title).write_text(content, encoding="utf-8")
    lines = "\n".join(re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)).splitlines()
    found = [shlex.split(line)[1:] for line in lines if line.startswith("bunchtrain ")]
    titled = [path.name for path in folder.glob("*.yaml") if ["run", path.name] not in found]
    return [*found, *(["run", name] for name in titled)]


@pytest.mark.nightly
@pytest.mark.skipif(not DATA.is_dir(), reason="needs BUNCHTRAIN_DATA")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page, tmp_path):
    commands = prepare(page, tmp_path)
    assert commands
    env = {**os.environ, "BUNCHTRAIN_CACHE": str(tmp_path / "cache")}
    for words in commands:
        # A page shows the folder of the run of its author.
        newest = sorted(tmp_path.glob("runs/*/*"))[-1:]
        words = [str(newest[0]) if re.match("runs/", word) else word for word in words]
        words += SMALL if words[0] == "run" else ()
        done = subprocess.run(
            [sys.executable, "-m", "bunchtrain", *words],
            cwd=tmp_path, env=env, capture_output=True, text=True,
        )  # fmt: skip
        print(" ".join(words), "\n", done.stdout[-1500:])
        assert done.returncode == 0, f"{words}: {done.stderr[-600:]}"
