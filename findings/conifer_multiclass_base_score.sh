#!/usr/bin/env bash
# conifer gives classes of an XGBoost 3 model wrong starting scores, and NaN to one of them.
#
# XGBoost 3 starts a fit of several classes from one score per class, estimated from the data and
# stored in `base_score` as it is added to the scores. conifer reads the list and takes the logit
# of each entry, as if they were probabilities: another value for scores in (0, 1), NaN for all
# others. For two classes, whose base score is a probability, the result is right. The trees
# themselves are right.
#
# Packages: conifer==1.11, xgboost-cpu==3.2.0, scikit-learn==1.9.1, scipy==1.17.1, pandas==2.3.3, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check conifer==1.11 xgboost-cpu==3.2.0 scikit-learn==1.9.1 scipy==1.17.1 pandas==2.3.3 numpy==2.4.6
cd "$place"
cat > expected <<'END'
2 classes: XGBoost [1.7E-1] conifer [-1.5856]
3 classes: XGBoost [4.2663813E-2,2.043047E-1,-2.4696851E-1] conifer [-3.1108 -1.3596     nan]
END
venv/bin/python - > seen <<'END'
import json

import numpy as np
import xgboost
from conifer.converters.xgboost import convert

x = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
for edges in ([0.8], [-0.5, 0.5]):
    model = xgboost.XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1)
    booster = model.fit(x, np.digitize(x[:, 0], edges)).get_booster()
    stored = json.loads(booster.save_config())["learner"]["learner_model_param"]["base_score"]
    print(len(edges) + 1, "classes: XGBoost", stored, "conifer", np.round(convert(booster)["init_predict"], 4))
END
cat seen
diff expected seen && echo "unchanged"
