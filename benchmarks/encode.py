"""Rows a second and peak memory of scripts/encode.py with the default encoder on Adult.

    python benchmarks/encode.py [--repeats 3]

The embedded table is resampled to 200,000 and 2,000,000 rows, as parquet and as CSV. Each figure is
of a process of its own; of the repeats the fastest counts, as other work only slows it down.
Writes benchmarks/results/encode.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "encode.json"
ROWS = (200_000, 2_000_000)
PART = 200_000  # rows of a row group
TRAIN = ("trainer=cpu", "logger=none", "twin=false", "epochs=3", "evaluation.heads=[logistic]")
PROFILE = """
import json, resource, sys, time
from fairrep.app.encode import encode
start, cpu = time.perf_counter(), time.process_time()
encode(*sys.argv[1:])
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak}))
"""


def resampled(rows: int, file: Path) -> None:
    """Adult's rows drawn with replacement, a part at a time."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    from fairrep.data import load_dataset

    whole = pa.Table.from_pandas(load_dataset("adult").frame, preserve_index=False)
    rng = np.random.default_rng(0)
    writer = (pq.ParquetWriter if file.suffix == ".parquet" else csv.CSVWriter)(file, whole.schema)
    with writer:
        for _ in range(rows // PART):
            writer.write_table(whole.take(pa.array(rng.integers(0, len(whole), PART))))


def measure(arguments: list[str], output: Path) -> dict[str, float]:
    command = [sys.executable, "-c", PROFILE, *arguments, f"output={output}", "overwrite=true"]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, env=os.environ)
    return json.loads(done.stdout.splitlines()[-1])


def fastest(run: Path, source: Path, output: Path, rows: int, repeats: int) -> dict[str, float]:
    arguments = [f"run={run}", f"input={source}", "keep=[age]"]
    found = min(
        (measure(arguments, output) for _ in range(repeats)), key=lambda one: one["seconds"]
    )
    return {
        "input": source.suffix[1:],
        "output": output.suffix[1:],
        "rows": rows,
        "rows_per_second": round(rows / found["seconds"]),
        "seconds": round(found["seconds"], 2),
        "cpu_microseconds_per_row": round(1e6 * found["cpu_seconds"] / rows, 2),
        "peak_mib": round(found["peak_mib"]),
        "output_mib": round(output.stat().st_size / 2**20, 1),
    }


def parts(run: Path, source: Path) -> dict[str, float]:
    """Processor time of each part alone in one thread, in µs a row."""
    import time

    import torch

    from fairrep import load_encoder
    from fairrep.app.encode_pieces import Pieces
    from fairrep.app.encode_rows import RowEncoder
    from fairrep.data.streams import open_table

    torch.set_num_threads(1)
    encoder = load_encoder(run)
    table = open_table(source, encoder.schema, ["age"])
    whole = RowEncoder(encoder, None, z=True, kept=table.kept)
    seconds = dict.fromkeys(("read", "schema", "whole", "write"), 0.0)

    def timed(part, work):
        start = time.process_time()
        result = work()
        seconds[part] += time.process_time() - start
        return result

    with tempfile.TemporaryDirectory() as folder:
        pieces = Pieces(Path(folder) / "z.parquet", {}, overwrite=False)
        count, rows = pieces.start(), 0
        stream = table.pieces(131_072, skip=0)
        while (piece := timed("read", lambda: next(stream, None))) is not None:
            timed("schema", lambda piece=piece: encoder.schema.encode(piece.features))
            done = timed("whole", lambda piece=piece: whole(piece))
            timed("write", lambda count=count, done=done: pieces.write(count, done))
            count, rows = count + 1, rows + len(done)
        timed("write", lambda: pieces.join(count, whole.schema))
    seconds["network"] = seconds.pop("whole") - seconds["schema"]
    return {part: round(1e6 * spent / rows, 3) for part, spent in seconds.items()}


def main() -> None:
    from fairrep.app.run_folder import environment
    from fairrep.app.train import train

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    machine = environment()  # before parts() takes one thread
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(*TRAIN, "evaluation.headline=logistic", folder=folder / "run")
        found = []
        for kind in ("parquet", "csv"):
            for rows in ROWS:
                source = folder / f"{rows}.{kind}"
                resampled(rows, source)
                output = folder / f"z.{kind}"
                found.append(fastest(folder / "run", source, output, rows, asked.repeats))
                print(found[-1], flush=True)
        spent = parts(folder / "run", folder / f"{ROWS[0]}.parquet")
    content = {
        "environment": machine,
        "cores": os.cpu_count(),
        "load": [round(one, 1) for one in os.getloadavg()],
        "results": found,
        "cpu_microseconds_per_row": spent,
    }
    print(spent)
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
