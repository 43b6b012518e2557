#!/usr/bin/env bash
# treelite evaluates the trees after the best iteration, which XGBoost leaves out.
#
# XGBClassifier with early stopping predicts with the trees up to `best_iteration`. The booster
# that treelite reads holds those after it, too, and treelite, whose model has no such limit, adds
# them: probabilities of a model that was converted for C are not those that were validated.
# `booster[:best_iteration + 1]` before the conversion gives equal ones. The ONNX converter of
# onnxmltools 1.16.0 takes the limit into account.
#
# Packages: treelite==4.8.1, xgboost-cpu==3.2.0, scikit-learn==1.9.1, scipy==1.17.1, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check treelite==4.8.1 xgboost-cpu==3.2.0 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$place"
cat > expected <<'END'
trees 7 used by XGBoost 2
whole largest difference of probabilities 0.331
cut largest difference of probabilities 0.0
END
venv/bin/python - > seen <<'END'
import numpy as np
import treelite
import xgboost

rng = np.random.default_rng(0)
x = rng.normal(size=(500, 3)).astype(np.float32)
y = (x[:, 0] + rng.normal(size=500) > 0.5).astype(int)
model = xgboost.XGBClassifier(n_estimators=30, early_stopping_rounds=5, n_jobs=1)
model.fit(x[:300], y[:300], eval_set=[(x[300:], y[300:])], verbose=False)
whole = model.get_booster()
print("trees", whole.num_boosted_rounds(), "used by XGBoost", model.best_iteration + 1)
for name, booster in {"whole": whole, "cut": whole[: model.best_iteration + 1]}.items():
    found = treelite.gtil.predict(treelite.frontend.from_xgboost(booster), x).ravel()
    print(name, "largest difference of probabilities", round(float(abs(found - model.predict_proba(x)[:, 1]).max()), 3))
END
cat seen
diff expected seen && echo "unchanged"
