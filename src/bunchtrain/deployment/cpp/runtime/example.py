"""Compiles evaluate.cpp, evaluates the events of example.bin with network.json and compares."""

import json
import subprocess

import numpy as np

subprocess.run(["make", "-s", "evaluate.run"], check=True)
subprocess.run(["./evaluate.run", "network.json", "example.bin", "scores.bin"], check=True)

with open("network.json", encoding="utf-8") as file:
    outputs = json.load(file)["outputs"]
names = [score for output in outputs for score in output["scores"]]
found = np.fromfile("scores.bin", np.float32).reshape(-1, len(names))
expected = np.fromfile("expected.bin", np.float32).reshape(-1, len(names))
print(
    f"{len(found)} events, the first with scores {dict(zip(names, found[0].tolist(), strict=True))}"
)
print(f"largest difference from the trained model: {np.nanmax(abs(found - expected)):.1e}")
