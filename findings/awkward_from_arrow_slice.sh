#!/usr/bin/env bash
# awkward reads the missing values of a sliced Arrow array at the wrong rows.
#
# `pyarrow.Array.slice` shares the validity bitmap of the whole array and keeps an offset in bits.
# `awkward.from_arrow` applies the offset to the values and to the bitmap differently: values are
# missing where they are not, and missing ones get a number (0.0). Without missing values the
# result is right.
#
# Seen: 10 values, of which three are missing, sliced from row 1 on. Nothing is raised. Chunks of
# a CSV or Parquet file that are sliced to a size meet it; concatenating the chunks
# (`pa.concat_arrays([chunk])`) copies them and avoids it.
#
# Packages: awkward==2.14.0, awkward-cpp==57, pyarrow==25.0.1, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check awkward==2.14.0 awkward-cpp==57 pyarrow==25.0.1 numpy==2.4.6
cd "$place"
cat > expected <<'END'
Arrow   [1.0, 2.0, None, 4.0, 5.0, None, 7.0, 8.0, 9.0]
awkward [None, 2.0, 0.0, None, 5.0, 0.0, None, 8.0, 9.0]
copied  [1.0, 2.0, None, 4.0, 5.0, None, 7.0, 8.0, 9.0]
END
venv/bin/python - > seen <<'END'
import awkward as ak
import pyarrow as pa

whole = pa.array([None, 1.0, 2.0, None, 4.0, 5.0, None, 7.0, 8.0, 9.0])
sliced = whole.slice(1)
print("Arrow  ", sliced.to_pylist())
print("awkward", ak.from_arrow(sliced).to_list())
print("copied ", ak.from_arrow(pa.concat_arrays([sliced])).to_list())
END
cat seen
diff expected seen && echo "unchanged"
