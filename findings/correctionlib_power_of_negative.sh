#!/usr/bin/env bash
# correctionlib's formulas bind a sign more tightly than a power.
#
# The grammar is named after ROOT's TFormula; there, as in Python, Fortran and C++ by std::pow,
# the power comes before the sign: -x^2 is -9 for x = 3. Here it is +9, so that a Gaussian written
# as exp(-x^2) grows. After a minus between two terms, and with brackets, the usual value comes
# out.
#
# Packages: correctionlib==2.9.0, numpy==2.4.6, pydantic==2.14.4; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check correctionlib==2.9.0 numpy==2.4.6 pydantic==2.14.4
cd "$place"
cat > expected <<'END'
-x^2 9.0
-(x^2) -9.0
0-x^2 -9.0
exp(-x^2/2) 90.0171
exp(-(x^2)/2) 0.0111
END
venv/bin/python - > seen <<'END'
import correctionlib.schemav2 as schema

x = schema.Variable(name="x", type="real")
out = schema.Variable(name="out", type="real")
for expression in ("-x^2", "-(x^2)", "0-x^2", "exp(-x^2/2)", "exp(-(x^2)/2)"):
    formula = schema.Formula(nodetype="formula", parser="TFormula", expression=expression, variables=["x"])
    found = schema.Correction(name="f", version=1, inputs=[x], output=out, data=formula).to_evaluator().evaluate(3.0)
    print(expression, round(found, 4))
END
cat seen
diff expected seen && echo "unchanged"
