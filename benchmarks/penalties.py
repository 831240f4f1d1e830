"""Accuracy and speed of the divergences beside GeomLoss, POT and plain autograd code.

    python benchmarks/penalties.py [--quick] [--sizes N ...] [--tables NAME ...] [--out FILE]

Every ratio comes from pairs of runs in one process, taken in turn, and is the median over pairs.
On a machine with CUDA the same tables are measured on the GPU as well.
"""

import argparse
import functools
import json
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import geomloss
import ot
import torch
from torch import Tensor

from fairrep.functional import geomloss_sinkhorn_divergence, mmd2, mmd2_rff, sinkhorn_divergence

SCALINGS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
TABLES = ("mmd", "batching", "rff", "geomloss", "pot", "accuracy")
TARGET = 0.01  # gradient error that both sides must reach, when they can


def gaussians(n: int, d: int, device: str, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Standard Gaussians, every coordinate of the second shifted by .3."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return [x.to(device, dtype), (y + 0.3).to(device, dtype)]


def gradient(divergence: Callable[..., Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient with respect to both samples, stacked."""
    x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
    value = divergence(x, y)
    grads = torch.autograd.grad(value.sum(), (x, y))
    return value.detach(), torch.cat(grads)


def relative(ours: Tensor, exact: Tensor) -> float:
    return float((ours.double() - exact).norm() / exact.norm())


def timed(call: Callable[[], object], device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def paired(ours: Callable[[], object], theirs: Callable[[], object], pairs: int, device: str):
    """Median times in ms and the median of the ratios theirs / ours."""
    ours()
    runs = [(timed(ours, device), timed(theirs, device)) for _ in range(pairs)]
    return {
        "ours_ms": round(1e3 * statistics.median(run[0] for run in runs), 3),
        "theirs_ms": round(1e3 * statistics.median(run[1] for run in runs), 3),
        "ratio": round(statistics.median(run[1] / run[0] for run in runs), 2),
    }


def converged(x: Tensor, y: Tensor, blur: float, sweeps: int) -> tuple[Tensor, Tensor, float]:
    """Reference in float64: value, gradient and the marginal error that was reached."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value, grad = gradient(
            lambda x, y: sinkhorn_divergence(x, y, blur=blur, tol=1e-8, max_iter=sweeps),
            x.double(),
            y.double(),
        )
    reached = 1e-8
    if caught:
        reached = float(str(caught[0].message).split("error of ")[1].split(",")[0])
    return value, grad, reached


def accuracy_row(n: int, d: int, blur: float, device: str, sweeps: int) -> dict:
    """Errors of the default call and of the fixed schedule against the reference."""
    x, y = gaussians(n, d, device)
    exact_value, exact_grad, reached = converged(x, y, blur, sweeps)
    row = {"n": n, "d": d, "blur": blur, "reference_marginal_error": reached}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value, grad = gradient(lambda x, y: sinkhorn_divergence(x, y, blur=blur), x, y)
    row["value_error"] = relative(value, exact_value)
    row["gradient_error"] = relative(grad, exact_grad)
    mapped = torch.func.vmap(lambda x, y: sinkhorn_divergence(x, y, blur=blur))
    value, grad = gradient(mapped, x[None], y[None])
    row["fixed_value_error"] = relative(value[0], exact_value)
    row["fixed_gradient_error"] = relative(grad.flatten(0, 1), exact_grad)
    return row


def geomloss_row(n: int, blur: float, device: str, pairs: int, sweeps: int) -> dict:
    """Time to a gradient error of 1%: GeomLoss at its coarsest scaling that gets there."""
    x, y = gaussians(n, 32, device)
    _, exact, _ = converged(x, y, blur, sweeps)

    def theirs(scaling: float) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda x, y: geomloss_sinkhorn_divergence(x, y, blur=blur, scaling=scaling)

    def ours(x: Tensor, y: Tensor) -> Tensor:
        return sinkhorn_divergence(x, y, blur=blur)

    for scaling in SCALINGS if blur > 1 else SCALINGS[:1] + SCALINGS[-1:]:
        error = relative(gradient(theirs(scaling), x, y)[1], exact)
        if scaling == SCALINGS[0]:
            default_error = error
        if error <= TARGET:
            break
    return {
        "n": n,
        "blur": blur,
        "scaling": scaling,
        "theirs_default_error": default_error,
        "theirs_error": error,
        "ours_error": relative(gradient(ours, x, y)[1], exact),
        **paired(
            lambda: gradient(ours, x, y), lambda: gradient(theirs(scaling), x, y), pairs, device
        ),
    }


def pot_row(n: int, blur: float, pairs: int, sweeps: int) -> dict:
    """POT's log-domain Sinkhorn on the three terms, at the coarsest threshold that reaches 1%."""
    x, y = gaussians(n, 32, "cpu")
    _, exact, _ = converged(x, y, blur, sweeps)

    def pull(u: Tensor, v: Tensor, threshold: float) -> Tensor:
        a, b = (torch.full((len(w),), 1 / len(w)) for w in (u, v))
        cost = ot.dist(u, v) / 2
        plan = ot.sinkhorn(
            a,
            b,
            cost,
            blur**2,
            method="sinkhorn_log",
            stopThr=threshold,
            numItermax=1000,
            warn=False,
        )
        return u * a[:, None] - plan @ v, v * b[:, None] - plan.mT @ u

    def theirs(threshold: float) -> Tensor:
        with torch.no_grad():
            in_x, in_y = pull(x, y, threshold)
            return torch.cat([in_x - pull(x, x, threshold)[0], in_y - pull(y, y, threshold)[0]])

    def ours(x: Tensor, y: Tensor) -> Tensor:
        return sinkhorn_divergence(x, y, blur=blur)

    for threshold in (1e-3, 1e-4, 1e-5):
        error = relative(theirs(threshold), exact)
        if error <= TARGET:
            break
    return {
        "n": n,
        "blur": blur,
        "threshold": threshold,
        "theirs_error": error,
        **paired(lambda: gradient(ours, x, y), lambda: theirs(threshold), pairs, "cpu"),
    }


def batching_row(n: int, device: str, pairs: int, problems: int = 32) -> dict:
    """One call on a batch against a loop of calls: below 1 the batch wins."""
    x = torch.randn(problems, n, 32, generator=torch.Generator().manual_seed(0)).to(device)
    y = torch.randn(problems, n, 32, generator=torch.Generator().manual_seed(1)).to(device) + 0.3

    def call(x: Tensor, y: Tensor) -> Tensor:
        return sinkhorn_divergence(x, y, blur=0.5)

    def loop() -> None:
        for u, v in zip(x, y, strict=True):
            gradient(call, u, v)

    times = paired(lambda: gradient(call, x, y), loop, pairs, device)
    return {
        "n": n,
        "problems": problems,
        "batch_ms": times["ours_ms"],
        "loop_ms": times["theirs_ms"],
        "batch_over_loop": round(1 / times["ratio"], 3),
    }


def plain_mmd2(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
    """The code that everybody writes first."""

    def mean_kernel(u: Tensor, v: Tensor) -> Tensor:
        return torch.exp(-(torch.cdist(u, v) ** 2) / (2 * bandwidth**2))

    n, m = len(x), len(y)
    xx = (mean_kernel(x, x).sum() - n) / (n * (n - 1))
    yy = (mean_kernel(y, y).sum() - m) / (m * (m - 1))
    return xx + yy - 2 * mean_kernel(x, y).mean()


def mmd_row(n: int, device: str, pairs: int) -> dict:
    """Forward and backward of the Gaussian MMD^2; memory in a fresh process each."""
    x, y = gaussians(n, 32, device)
    row = {
        "n": n,
        **paired(
            lambda: gradient(lambda x, y: mmd2(x, y, bandwidth=5.7), x, y),
            lambda: gradient(lambda x, y: plain_mmd2(x, y, 5.7), x, y),
            pairs,
            device,
        ),
    }
    if n >= 2048:  # below, the allocator answers from what it already has
        for name in ("ours", "theirs"):
            row[f"{name}_peak_mb"] = round(peak_of("mmd", name, n, device), 1)
        row["memory_ratio"] = round(row["theirs_peak_mb"] / row["ours_peak_mb"], 2)
    return row


def rff_row(n: int, device: str) -> dict:
    """Time and memory of random features, forward and backward."""
    x = torch.randn(n, 32, device=device)
    y = torch.randn(n, 32, device=device) + 0.3
    seconds = timed(
        lambda: gradient(lambda x, y: mmd2_rff(x, y, features=256, bandwidth=5.7), x, y), device
    )
    return {
        "n": n,
        "features": 256,
        "seconds": round(seconds, 3),
        "peak_mb": round(peak_of("rff", "ours", n, device), 1),
    }


def peak_of(what: str, whose: str, n: int, device: str) -> float:
    """Peak memory in MB that a call adds to the process that makes it."""
    command = [sys.executable, __file__, "--peak", what, whose, str(n), device]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(what: str, whose: str, n: int, device: str) -> None:
    x, y = torch.randn(n, 32, device=device), torch.randn(n, 32, device=device)

    def call(x: Tensor, y: Tensor) -> Tensor:
        if what == "rff":
            return mmd2_rff(x, y, features=256, bandwidth=5.7)
        return mmd2(x, y, bandwidth=5.7) if whose == "ours" else plain_mmd2(x, y, 5.7)

    gradient(call, x[:64], y[:64])  # libraries load now
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        gradient(call, x, y)
        print((torch.cuda.max_memory_allocated() - before) / 2**20)
        return
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    gradient(call, x, y)
    print(resident("VmHWM") - before)


def resident(field: str) -> float:
    """A line of /proc/self/status in MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 2**10


Job = tuple[str, Callable[[], dict]]


def jobs(device: str, sizes: list[int], *, quick: bool) -> Iterator[Job]:
    """The rows to measure, each with the name of its table."""
    pairs, sweeps = (3, 300) if quick else (5, 2000)
    for n in sizes:
        yield "mmd", functools.partial(mmd_row, n, device, pairs)
    for n in (32, 128) if quick else (32, 128, 512):
        yield "batching", functools.partial(batching_row, n, device, pairs)
    for n in (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000):
        yield "rff", functools.partial(rff_row, n, device)
    for n in sizes:
        few, repeats = max(200, sweeps * 128 // n), 1 if n > 1000 else pairs
        for blur in (0.5, 2.0):
            yield "geomloss", functools.partial(geomloss_row, n, blur, device, repeats, few)
            if device == "cpu":
                yield "pot", functools.partial(pot_row, n, blur, repeats, few)
        for d in (32,) if quick else (8, 32, 128):
            for blur in (0.05, 0.5, 2.0):
                yield "accuracy", functools.partial(accuracy_row, n, d, blur, device, few)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, a minute or two")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/penalties-cpu.json"))
    parser.add_argument("--sizes", type=int, nargs="+", help="128 512 2048 by default")
    parser.add_argument("--tables", nargs="+", default=TABLES, choices=TABLES)
    parser.add_argument("--threads", type=int, help="of torch; all cores by default")
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        what, whose, n, device = options.peak
        print_peak(what, whose, int(n), device)
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    report: dict = {
        "quick": options.quick,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "geomloss": geomloss.__version__,
            "pot": ot.__version__,
        },
        "threads": torch.get_num_threads(),
        "devices": {"cpu": cpu_name()},
        "results": {},
    }
    if "cuda" in devices:
        report["devices"]["cuda"] = torch.cuda.get_device_name()

    sizes = options.sizes or ([128, 512] if options.quick else [128, 512, 2048])
    warnings.filterwarnings("ignore", message="sinkhorn_divergence stopped")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for device in devices:
        tables = report["results"].setdefault(device, {name: [] for name in options.tables})
        for table, row in jobs(device, sizes, quick=options.quick):
            if table in options.tables:
                tables[table].append(row())
                print(device, table, tables[table][-1], flush=True)
                # an interrupted run keeps what it has
                options.out.write_text(json.dumps(report, indent=1) + "\n")


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0].split(":")[1].strip() if names else platform.processor()


if __name__ == "__main__":
    main()
