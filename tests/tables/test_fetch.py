"""Fetching published samples, from a local server in the place of Zenodo."""

import hashlib
import json
import re
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bunchtrain.errors import DataError, MachineError
from bunchtrain.tables.published.samples import SAMPLES, PublishedSample, fetch

CONTENT = {"train.h5": b"jets" * 50_000, "val.h5": b"more jets" * 1000}


def description(host):
    """OpenML's description of a sample, as api/v1/json/data gives it."""
    url, checksum = f"http://{host}/val.h5", hashlib.md5(CONTENT["val.h5"]).hexdigest()
    told = {"id": "42468", "format": "ARFF", "url": url, "md5_checksum": checksum}
    return json.dumps({"data_set_description": told}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, asked, *arguments):
        self.asked = asked
        super().__init__(*arguments)

    def log_message(self, *arguments):
        """Stay silent."""

    def do_GET(self):
        name, start = self.path.strip("/"), self.headers.get("Range")
        self.asked.append((name, start))
        content = {**CONTENT, "data/42468": description(self.headers["Host"])}
        if name not in content:
            return self.send_error(404)
        first = int(re.findall(r"\d+", start)[0]) if start else 0
        body = content[name][first:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return self.wfile.write(body)


@pytest.fixture
def server():
    asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, asked)) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", asked
        httpd.shutdown()


def sample(address, **changes):
    files = {name: f"md5:{hashlib.md5(content).hexdigest()}" for name, content in CONTENT.items()}
    return {"tops": PublishedSample("Tops", "10.0/0", "CC0", "us", address, files | changes)}


def test_files_are_complete_and_downloaded_once(server, tmp_path):
    address, asked = server
    for _ in range(2):
        paths = fetch("tops", tmp_path, known=sample(address))
        assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert len(asked) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.h5", "val.h5"]


def test_a_pattern_selects_files(server, tmp_path):
    address, _ = server
    assert [p.name for p in fetch("tops", tmp_path, ["v*"], sample(address))] == ["val.h5"]


def test_an_interrupted_download_is_resumed(server, tmp_path):
    address, asked = server
    (tmp_path / "train.h5.partial").write_bytes(CONTENT["train.h5"][:1000])
    (path,) = fetch("tops", tmp_path, ["train.h5"], sample(address))
    assert path.read_bytes() == CONTENT["train.h5"]
    assert asked == [("train.h5", "bytes=1000-")]


def test_a_changed_file_is_downloaded_again(server, tmp_path):
    address, _ = server
    (tmp_path / "val.h5").write_bytes(b"something else")
    (path,) = fetch("tops", tmp_path, ["val.h5"], sample(address))
    assert path.read_bytes() == CONTENT["val.h5"]


def test_a_wrong_checksum_leaves_no_file(server, tmp_path):
    address, _ = server
    known = sample(address, **{"val.h5": "md5:" + "0" * 32})
    with pytest.raises(DataError, match="does not have the checksum md5:0000"):
        fetch("tops", tmp_path, ["val.h5"], known)
    assert not list(tmp_path.iterdir())


def test_openml_gives_the_url_and_the_checksum(server, tmp_path):
    address, asked = server
    jets = PublishedSample("", "", "", "", f"{address}/data/42468", {"jets.arff": ""}, openml=True)
    (path,) = fetch("jets", tmp_path, known={"jets": jets})
    assert path.name == "jets.arff"
    assert path.read_bytes() == CONTENT["val.h5"]
    assert [name for name, _ in asked] == ["data/42468", "val.h5"]


def test_a_response_that_is_no_description_is_reported(server, tmp_path):
    jets = PublishedSample("", "", "", "", f"{server[0]}/train.h5", {"jets.arff": ""}, openml=True)
    with pytest.raises(MachineError, match="the response is not an OpenML description"):
        fetch("jets", tmp_path, known={"jets": jets})
    gone = PublishedSample("", "", "", "", "http://127.0.0.1:9/1", {"jets.arff": ""}, openml=True)
    with pytest.raises(
        MachineError, match=r"cannot download .*check the network and run the command again"
    ):
        fetch("jets", tmp_path, known={"jets": gone})


def test_a_missing_file_on_the_server_is_reported(server, tmp_path):
    address, _ = server
    with pytest.raises(MachineError, match=r"gone\.h5: the server responded 404"):
        fetch("tops", tmp_path, ["gone.h5"], sample(address, **{"gone.h5": "md5:" + "0" * 32}))


def test_a_missing_network_is_one_sentence(tmp_path):
    with pytest.raises(
        MachineError, match=r"cannot download .*check the network and run the command again"
    ):
        fetch("tops", tmp_path, known=sample("http://127.0.0.1:9"))


def test_free_space_is_checked_before_the_download(server, tmp_path, monkeypatch):
    address, _ = server
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(
        "bunchtrain.tables.published.download.shutil.disk_usage", lambda path: usage
    )
    with pytest.raises(MachineError, match="free space there or choose another folder"):
        fetch("tops", tmp_path, known=sample(address))


def test_the_nearest_sample_and_file_are_named(tmp_path):
    with pytest.raises(DataError, match="did you mean 'top_tagging'"):
        fetch("top_taging", tmp_path)
    with pytest.raises(DataError, match=r"has no file 'vall\.h5'; did you mean 'val\.h5'"):
        fetch("top_tagging", tmp_path, ["vall.h5"])


def test_the_registry_is_complete_and_well_formed():
    assert {"top_tagging", "jetclass", "lhc_olympics", "quark_gluon"} <= set(SAMPLES)
    assert len(SAMPLES["quark_gluon"].files) == 20
    for entry in SAMPLES.values():
        if entry.openml:
            assert entry.address.endswith("/api/v1/json/data/42468")
            continue
        assert re.fullmatch(r"10\.5281/zenodo\.\d+", entry.doi)
        assert entry.address.endswith(f"{entry.doi.rpartition('.')[2]}/files")
        for checksum in entry.files.values():
            assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", checksum)
