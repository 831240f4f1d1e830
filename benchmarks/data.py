"""Time and memory of loading and preparing ACS: the person files at hand, tiled.

python benchmarks/data.py FOLDER_WITH_ACS_FILES [--rows 1500000]
Writes benchmarks/results/data.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SETTINGS = {
    "test_fraction": 0.2,
    "calibration": 0.0,
    "val_fraction": 0.2,
    "split_seed": 0,
    "min_rows": 10,
}


def tile(source: Path, target: Path, rows: int) -> int:
    """Link parquet files under the names of other states until there are enough rows."""
    import pyarrow.parquet as pq

    from fairrep.data.datasets.acs_files import STATES

    files = sorted(source.rglob("p_*.parquet"))
    if not files:
        raise SystemExit(f"error: '{source}' holds no p_FIPS.parquet files")
    total = 0
    for file, fips in zip(cycle(files), STATES.values()):
        if total >= rows:
            break
        (target / f"p_{fips}.parquet").symlink_to(file.resolve())
        total += pq.read_metadata(file).num_rows
    return total


def prepare(folder: Path, *, cache: bool) -> tuple[float, int]:
    from fairrep.data import prepare_data

    start = time.perf_counter()
    data = prepare_data("acs", path=str(folder), offline=True, cache=cache, **SETTINGS)
    for rows in data.splits.values():  # a copy is mapped from disk: read all of it
        rows.x.sum(), rows.y.nansum(), rows.s.sum()
    return time.perf_counter() - start, sum(map(len, data.splits.values()))


def measure(source: Path, rows: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        tiled = Path(folder) / "acs2024"
        tiled.mkdir()
        os.environ["FAIRREP_CACHE"] = folder
        tile(source, tiled, rows)
        fresh, prepared_rows = prepare(tiled, cache=False)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # KiB → GiB on Linux
        first, _ = prepare(tiled, cache=True)
        again, _ = prepare(tiled, cache=True)
        size = sum(f.stat().st_size for f in (Path(folder) / "prepared").iterdir())
    return {
        "rows": prepared_rows,
        "load_and_prepare_seconds": round(fresh, 2),
        "peak_memory_gib": round(peak, 2),
        "prepare_and_save_copy_seconds": round(first, 2),
        "load_copy_seconds": round(again, 2),
        "copy_mb": round(size / 1e6, 1),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "platform": platform.platform(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_500_000)
    arguments = parser.parse_args()
    result = measure(arguments.folder, arguments.rows)
    target = ROOT / "results" / "data.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
