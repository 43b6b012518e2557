#!/usr/bin/env bash
# correctionlib puts NaN into the last bin, or into the first, even where it should refuse.
#
# A variable that is NaN takes the content of the last bin where the edges are listed, and of the
# first bin where the same edges are given as uniform. With flow "error" listed edges refuse it,
# as above the range; uniform ones still answer with the first bin. So a scale factor of an event
# whose variable is undefined depends on how the file writes its edges.
#
# Packages: correctionlib==2.9.0, numpy==2.4.6, pydantic==2.14.4; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check correctionlib==2.9.0 numpy==2.4.6 pydantic==2.14.4
cd "$place"
cat > expected <<'END'
listed clamp 3.0
listed error Index above bounds in Binning for input argument 0 value: nan
uniform clamp 1.0
uniform error 1.0
END
venv/bin/python - > seen <<'END'
import correctionlib.schemav2 as schema

uniform = schema.UniformBinning(n=3, low=0.0, high=3.0)
for kind, edges in {"listed": [0.0, 1.0, 2.0, 3.0], "uniform": uniform}.items():
    for flow in ("clamp", "error"):
        bins = schema.Binning(nodetype="binning", input="eta", edges=edges, content=[1.0, 2.0, 3.0], flow=flow)
        weight = schema.Variable(name="weight", type="real")
        eta = schema.Variable(name="eta", type="real")
        correction = schema.Correction(name="factor", version=1, inputs=[eta], output=weight, data=bins)
        try:
            print(kind, flow, correction.to_evaluator().evaluate(float("nan")))
        except RuntimeError as problem:
            print(kind, flow, problem)
END
cat seen
diff expected seen && echo "unchanged"
