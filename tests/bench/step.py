"""What the engine costs beside the bare step: ``python tests/bench/step.py [FOLDER OF PICTURES]``.

The contenders take turns in one process, so that a machine shared with others treats them alike; medians
over the rounds are printed. *limit* is forward, backward and optimizer on one fixed batch in memory; *norms*
adds the gradient norms; *quiet* is the trainer's own step and boundary on the fixed batch with ``diagnosis.probes``
off, *records* the same with them on; *engine* is that on batches that are made while it trains (from the folder, or
from generated pictures). The last line is what the diagnostics cost: *records* against *quiet*; with
``--probes`` these two alone take turns, in either order, after the first 512 steps, which are looked at more often
(``--early``: from step 70 on), and the error is told too.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROUNDS, STEPS, WARM, EARLY = 9, 20, 520, 70


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--model", default="simple_cnn")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--probes", action="store_true", help="compare only the step with and without diagnostics")
    parser.add_argument("--early", action="store_true", help=f"with --probes: from step {EARLY} on")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the engine does
    with tempfile.TemporaryDirectory() as place:
        os.environ["CNNTRAIN_CACHE"] = str(Path(place) / "cache")
        compare(arguments, Path(place))


def compare(arguments: argparse.Namespace, place: Path) -> None:
    import torch

    from tui.core.dataset.demo import make_demo
    from tui.core.dataset.manifest import make_manifest
    from tui.core.dataset.scan import scan
    from tui.core.rundir import RunDir
    from tui.core.settings import DataSettings, DiagnosisSettings, ModelSettings, Settings, TrainingSettings
    from tui.engine import compute, device, losses, models, optim
    from tui.engine.attempt import begin
    from tui.engine.data.batches import Batch, normalise
    from tui.engine.data.training import TrainingData
    from tui.engine.link import Link
    from tui.engine.probes import GradientNorms
    from tui.engine.trainer import Trainer

    settings = Settings(
        data=DataSettings(image_size=arguments.size),
        model=ModelSettings(name=arguments.model),
        training=TrainingSettings(
            epochs=10_000,
            batch_size=arguments.batch,
            device="cpu",
            threads=arguments.threads,
            validate_every=10_000_000,
            validate_unit="steps",
        ),
    )
    cpu = device.choose(settings.training)
    device.prepare(cpu, settings.training)
    manifest = make_manifest(scan(arguments.folder or make_demo(place / "demo")), settings)
    data = TrainingData(manifest, settings, progress=lambda *_: None, stopping=lambda: False)

    def trainer_of(name: str, probes: str) -> Trainer:
        run = RunDir(place / name)
        run.make()
        chosen = settings.model_copy(update={"diagnosis": DiagnosisSettings(probes=probes)})
        trainer = Trainer(begin(Link(run, 1), chosen, data, list(manifest.classes), cpu))
        trainer._step.instruments.begin()
        trainers.append(trainer)
        return trainer

    trainers: list[Trainer] = []
    with data.training_batches(0) as batches:
        fixed = next(batches)

        def engine(trainer: Trainer, source: Iterator[Batch]) -> Callable[[], None]:
            def step() -> None:
                trainer._boundary()
                trainer._step.make(source)

            return step

        def bare(norms: bool) -> Callable[[], None]:
            objective = losses.objective(settings, data.targets, cpu)
            model = compute.choose(settings.compute, cpu).place(models.build(settings, objective.outputs)).train()
            optimizer = optim.make_optimizer(model, settings.optimizer)
            images, probe = normalise(fixed.images, data.mean, data.std, cpu), GradientNorms(model)

            def step() -> None:
                loss = objective.training_loss(model(images), fixed.targets)
                optimizer.zero_grad()
                loss.backward()
                if norms:
                    probe.measure()[1].tolist()
                optimizer.step()

            return step

        contenders = {
            "quiet": engine(trainer_of("quiet", "off"), itertools.repeat(fixed)),
            "records": engine(trainer_of("records", "on"), itertools.repeat(fixed)),
        }
        if not arguments.probes:
            others = {"limit": bare(False), "norms": bare(True)}
            contenders = {**others, **contenders, "engine": engine(trainer_of("engine", "on"), batches)}
        times: dict[str, list[float]] = {name: [] for name in contenders}
        work: dict[str, list[float]] = {name: [] for name in contenders}
        warm = WARM if arguments.probes and not arguments.early else EARLY
        for turn in range(arguments.rounds + 1):
            for name, step in list(contenders.items())[:: 1 if turn % 2 else -1]:
                for trainer in trainers:
                    trainer._recorder.restart_clock()
                began, worked = time.perf_counter(), time.thread_time()
                for _ in range(STEPS if turn else warm):
                    step()
                if turn:  # the first round warms up, and leaves the steps behind that are looked at closely
                    times[name].append((time.perf_counter() - began) / STEPS)
                    work[name].append((time.thread_time() - worked) / STEPS)
    data.close()
    out = sys.stdout.write
    out(f"{arguments.model} {arguments.size} px, batch {arguments.batch}, {torch.get_num_threads()} threads\n")
    first = next(iter(times))
    out(f"            ms/step  images/s  {f'of {first}':>12}   main thread's ms of processor time\n")
    for name, measured in times.items():
        median = statistics.median(measured)
        share = statistics.median(base / mine for mine, base in zip(measured, times[first], strict=True))
        own = statistics.median(work[name])
        out(f"{name:8} {1e3 * median:10.2f} {arguments.batch / median:9.0f} {share:12.3f} {1e3 * own:10.2f}\n")
    pairs = [("time", times), ("main thread's processor time", work)]
    costs = [f"{_cost(of['records'], of['quiet'])} of the {what}" for what, of in pairs]
    out(f"the diagnostics cost {', '.join(costs)}\n")


def _cost(with_them: list[float], without: list[float]) -> str:
    """Return how much longer the rounds take with the diagnostics, per cent: of the sums, as rare probes are rare."""
    mean = 100 * (sum(with_them) / sum(without) - 1)
    each = [100 * (mine / other - 1) for mine, other in zip(with_them, without, strict=True)]
    error = statistics.stdev(each) / len(each) ** 0.5 if len(each) > 1 else float("nan")
    return f"{mean:.2f} ± {error:.2f} %"


if __name__ == "__main__":
    main()
