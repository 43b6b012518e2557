#!/usr/bin/env bash
# pyarrow casts decimals to doubles that are not the nearest ones.
#
# A cast of decimal128 to float64 divides the integer by a power of ten in a way that is off by
# one unit in the last place for some values: 0.7 becomes 0.7000000000000001. A column of decimals
# in Parquet, e.g. of thresholds, is no longer equal to the doubles of the same texts.
#
# Seen: 20,000 random decimals with 9 digits after the point, compared with Python's conversion,
# which is correctly rounded: about one in 27 differs; and so do three of four short ones.
#
# Packages: pyarrow==25.0.1; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==25.0.1
cd "$place"
cat > expected <<'END'
not the nearest: 753 of 20000
0.1 0.1
0.3 0.30000000000000004
0.7 0.7000000000000001
2.3 2.3000000000000003
END
venv/bin/python - > seen <<'END'
import random
from decimal import Decimal

import pyarrow as pa

random.seed(1)
exact = [Decimal(random.randrange(-(10**17), 10**17)).scaleb(-9) for _ in range(20_000)]
cast = pa.array(exact, pa.decimal128(18, 9)).cast(pa.float64()).to_pylist()
print("not the nearest:", sum(a != float(b) for a, b in zip(cast, exact)), "of", len(exact))
for text in ("0.1", "0.3", "0.7", "2.3"):
    print(text, pa.array([Decimal(text)]).cast(pa.float64())[0].as_py())
END
cat seen
diff expected seen && echo "unchanged"
