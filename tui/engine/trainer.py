"""The loop: prepare, train step by step, validate, save, test. It reads from top to bottom.

    train                              a step boundary
      begin    model, checkpoint         end of an epoch?  report it
                                         validation due?   evaluate, schedule, best
      ┌ boundary ◀─────────────┐         save due?         publish a checkpoint
      │ step     `tui.engine.step`       requests          pause, save, validate, stop
      └────────────────────────┘         SIGTERM           save and stop
      finish   test split with the best weights

The order, the augmentation and dropout's numbers are drawn from (seed, step). So a resumed run repeats, on a
CPU bit for bit, what the uninterrupted one would have done.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from torch import nn

from tui.core import control
from tui.core.events import Controlled, EpochEnded, Split
from tui.core.metrics import AVERAGED, LEARNING_RATE, LOSS, of_task
from tui.core.sentences import epochs
from tui.core.text import clean
from tui.engine import evaluate, failures
from tui.engine.attempt import Attempt
from tui.engine.checkpoint import Damaged, restore_weights
from tui.engine.exhaustion import exhausted
from tui.engine.link import Stopped
from tui.engine.recorder import Diverged
from tui.engine.saving import is_finite
from tui.engine.step import Step

_ORPHANED = "Its supervisor was killed, so the engine stopped"
_WAITS = "All steps are made; the run waits until the disk takes the last weights. A stop leaves without them."
_SIGN_OF_LIFE = 20.0
"""Seconds between two events of a run that waits."""


class Trainer:
    """Trains one attempt from where its run stands to the end."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._link, self._settings, self._data = attempt.link, attempt.settings, attempt.data
        self._recorder, self._progress = attempt.recorder, attempt.progress
        self._metrics = of_task(attempt.objective.task)
        self._step = Step(attempt)
        self._stopping = attempt.stopping
        self._paused = False
        self._stop_at = 0
        """The step at which to stop because someone asked for the end of the epoch; 0: none."""
        self._stop_request: control.Request | None = None
        """That request. It stays for an engine that is started again after a crash, be it in the last save; when a
        person starts the run again it is taken away."""

    def run(self) -> str:
        """Train, test, and return a sentence that says how it went.

        Raises:
            Stopped: someone asked for it, or the disk stayed full.
            Vanished: the run directory is gone.
            CnntrainError: it failed, and the sentence says why.
        """
        try:
            with self._attempt.saver:
                try:
                    self._train()
                    return self._finish()
                except (RuntimeError, MemoryError) as error:
                    if failures.out_of_memory(error):
                        raise exhausted(self._attempt, self._step, error) from error
                    raise
        except Diverged as end:
            raise failures.diverged(end, self._attempt.saver.saved_step) from None
        except (RuntimeError, MemoryError) as error:
            step, batch_size = self._progress.step + 1, self._settings.training.batch_size
            raise failures.explained(error, self._attempt.device, step, batch_size) from error

    # -- the loop ------------------------------------------------------------------------------------

    def _train(self) -> None:
        self._step.instruments.begin()
        with self._data.training_batches(self._progress.step) as batches:
            self._recorder.restart_clock()
            while True:
                self._boundary()
                if self._progress.step >= self._attempt.total_steps:
                    return
                self._step.make(batches)

    # -- between two steps ---------------------------------------------------------------------------

    def _boundary(self) -> None:
        """Do what is due after ``progress.step`` steps; each part knows whether it has been done before."""
        began = time.perf_counter()
        progress, busy = self._progress, False
        self._stopping.tick()
        if progress.step == (progress.epochs + 1) * self._attempt.epoch_steps:
            self._end_epoch()
            busy = True
        if self._validation_due() and not self._link.stopping:
            busy = True
            self._validate()
        if (
            self._attempt.saver.due(progress, self._attempt.epoch_steps, self._attempt.total_steps)
            and not self._link.stopping
        ):
            busy = True
            self._attempt.save()
        self._attempt.repeat()
        busy = self._answer() or busy
        if self._stop_at and progress.step >= self._stop_at and progress.step < self._attempt.total_steps:
            self._stop("Stopped on request at the end of the epoch,")
        if self._link.stopping:
            self._stop(_ORPHANED if self._link.orphaned else "Stopped by SIGTERM")
        if busy:
            self._recorder.restart_clock()
        else:
            self._recorder.outside += time.perf_counter() - began

    def _end_epoch(self) -> None:
        self._recorder.read(self._progress, wait=True)
        progress = self._progress
        progress.epochs += 1
        counted = max(1, progress.counted)
        self._link.event(
            EpochEnded(
                epoch=progress.epochs,
                loss=progress.loss / counted,
                score=progress.score / counted,
                metric=self._metrics.score.name,
                seconds=progress.seconds,
            )
        )
        progress.start_epoch()
        self._attempt.tell_found()
        self._step.instruments.compared(self._data.duplicates)

    def _validation_due(self) -> bool:
        training, step = self._settings.training, self._progress.step
        if step == 0 or step == self._progress.validated or not self._data.images.get("validation"):
            return False
        interval = training.validate_every * (self._attempt.epoch_steps if training.validate_unit == "epochs" else 1)
        return step % interval == 0 or step == self._attempt.total_steps

    def _validate(self) -> None:
        """Make the scheduled validation: the learning rate and the best checkpoint follow from it."""
        examined = self._examine()
        while examined is None:  # given up for a stop, which is obeyed here
            self._answer(at_once=True)
            if self._link.stopping:
                return
            examined = self._examine()
        evaluation, _ = examined
        step = self._progress.validated = self._progress.step
        if self._attempt.schedule.validated(step, evaluation.metrics[LOSS.name]):
            rate = LEARNING_RATE.format(self._attempt.schedule.rate(step + 1))
            self._link.message("info", f"The validation loss is on a plateau; the learning rate is now {rate}.")
        self._stopping.validated(evaluation.metrics)
        self._judge(*examined)

    def _examine(self) -> tuple[evaluate.Evaluation, evaluate.Evaluation | None] | None:
        """Evaluate the validation split, and training pictures beside it if wanted; None when a stop came in between.

        A validation without its training pictures would not be what an uninterrupted run has recorded.
        """
        evaluation, pictures = self._evaluate("validation"), self._step.instruments.pictures
        if evaluation is None or not pictures:
            return None if evaluation is None else (evaluation, None)
        sample = self._evaluate("train", pictures)
        return None if sample is None else (evaluation, sample)

    def _evaluate(self, split: Split, most: int | None = None) -> evaluate.Evaluation | None:
        """Evaluate a split, or ``most`` pictures of it, in a validation the averaged weights too; None: a stop came."""
        self._recorder.read(self._progress, wait=True)
        evaluation, average = self._evaluated(self._attempt.model, split, most), self._attempt.average
        if evaluation is None or average is None or split != "validation":
            return evaluation
        beside = self._evaluated(average.model, split, most)
        if beside is None:
            return None
        metrics = {f"{AVERAGED}{name}": value for name, value in beside.metrics.items()}
        return replace(evaluation, metrics={**evaluation.metrics, **metrics})

    def _evaluated(self, model: nn.Module, split: Split, most: int | None) -> evaluate.Evaluation | None:
        size = evaluate.batch_size(self._settings.training.batch_size, self._settings.data.image_size)
        return evaluate.evaluate(
            model,
            self._data.evaluation_batches(split, size, most),
            self._attempt.objective,
            normalise=self._attempt.normalise,
            stopping=self._link.stop_wanted,
            autocast=self._attempt.compute.autocast,
        )

    def _judge(self, evaluation: evaluate.Evaluation, sample: evaluate.Evaluation | None) -> None:
        """Report a validation, with training pictures beside it; when it is among the best so far, save."""
        self._step.instruments.validated(self._progress.step, evaluation, sample)
        before = self._progress.best, self._progress.others
        best, worth = self._stopping.ranked(evaluation.metrics, self._progress.step)
        if note := self._stopping.unmeasured(evaluation.metrics):
            self._link.message("warning", note)
        best = best and is_finite(self._attempt.model.state_dict())  # else nothing of it will be kept
        self._report("validation", evaluation, self._progress.step, best=best)
        if worth and not self._attempt.save(best=best):
            self._progress.best, self._progress.others = before  # what is not saved cannot be beaten

    def _report(self, split: Split, evaluation: evaluate.Evaluation, step: int, *, best: bool = False) -> None:
        epoch = step / self._attempt.epoch_steps
        data = self._attempt.data
        evaluate.publish(
            evaluation,
            self._link,
            split,
            step,
            epoch,
            self._attempt.classes,
            root=data.root,
            path=partial(data.path, split),
            best=best,
        )

    # -- requests ------------------------------------------------------------------------------------

    def _answer(self, *, at_once: bool = False) -> bool:
        """Act on what was asked for; whether there was anything. Waits here while paused."""
        acted = False
        while True:
            self._attempt.saver.settle()
            for request in self._link.requests(at_once=at_once or self._paused):
                if self._stop_request is not None and request.path == self._stop_request.path:
                    continue
                acted = True
                self._act(request)
            if not self._paused or self._link.stopping:
                return acted
            time.sleep(0.1)
            self._stopping.leave_out(0.1)

    def _act(self, request: control.Request) -> None:
        done = True
        if request.action in ("pause", "continue"):
            self._recorder.read(self._progress, wait=True)
            self._paused = request.action == "pause"
        elif request.action == "save":
            self._attempt.save()
        elif request.action == "validate":
            examined = self._examine()
            if examined is None:
                return  # a stop came first; the request is answered after it
            self._judge(*examined)
        elif request.action == "stop_after_epoch":
            if not self._stop_at:
                self._stop_after_epoch(request)
                return
        elif request.action == "extend":
            done = self._attempt.extend(int(request.value or 0), request.path.name)
        elif request.action == "rate":
            done = self._attempt.change_rate(request.value, request.path.name)
        if done:
            self._link.answer(request)
        else:
            control.answered(request)
        if request.action == "stop":
            self._stop("Stopped on request")

    def _stop_after_epoch(self, request: control.Request) -> None:
        """Note at which step to stop: that of the end of this epoch, or the one that an attempt before has noted."""
        epoch = self._attempt.epoch_steps
        self._stop_request, self._stop_at = request, int(request.value or 0)
        if not self._stop_at:
            self._stop_at = (self._progress.step // epoch + 1) * epoch
            control.keep(request, self._stop_at)
        self._link.event(Controlled(action=request.action))

    def _stop(self, why: str) -> None:
        """Save and end the attempt."""
        step = self._progress.step
        if self._attempt.save() and self._attempt.saver.wait(self._progress, ending=True):
            raise Stopped(f"{why} after step {step:,} of {self._attempt.total_steps:,}. Resume it to go on.")
        saved = self._attempt.saver.saved_step
        since = f"the last checkpoint is of step {saved:,}" if saved else "there is no checkpoint"
        raise Stopped(f"{why} after step {step:,}, but that step could not be saved; {since}. Resume it to go on.")

    # -- ending --------------------------------------------------------------------------------------

    def _finish(self) -> str:
        """Test the best weights on the test split, if there is one; return the last sentence."""
        self._wait_for_disk()
        progress, metric = self._progress, self._stopping.best_by
        done = progress.step / self._attempt.epoch_steps
        words = [f"Trained {epochs(done)} epoch{'s' if done != 1 else ''}"]
        if progress.end_reason and progress.step < self._attempt.schedule.total:
            planned = self._attempt.schedule.total / self._attempt.epoch_steps
            words = [f"{words[0]} of {epochs(planned)}, because {progress.end_reason}"]
        if progress.best.step:
            best = epochs(progress.best.step / self._attempt.epoch_steps)
            words.append(f"best validation {metric.label} {metric.format(progress.best.score)} after epoch {best}")
        if self._data.images.get("test"):
            step = self._load_best()
            evaluation = self._evaluate("test")
            if evaluation is None:
                self._link.answer_stop()
                raise Stopped("Stopped during the final test; everything is saved. Resume it to test again.")
            self._report("test", evaluation, step)
            headline = self._metrics.headline
            words.append(f"test {headline.label} {headline.format(evaluation.metrics[headline.name])}")
        return "; ".join(words) + "."

    def _wait_for_disk(self) -> None:
        """The last weights are worth waiting for when the disk was full."""
        saver, told = self._attempt.saver, False
        while not saver.settled:
            if saver.refused:
                if not told:
                    self._link.message("warning", _WAITS)
                    told = True
                self._link.preparing("waiting for the disk", every=_SIGN_OF_LIFE)
            self._answer()
            if self._link.stopping:
                self._stop("Stopped")
            if saver.due(self._progress, self._attempt.epoch_steps, self._attempt.total_steps):
                self._attempt.save()
            saver.rest(0.1)
            saver.settle()

    def _load_best(self) -> int:
        """Put the best weights in place, or keep the last ones and say so; return the step they are from."""
        try:
            checkpoint = self._attempt.saver.store.best()
            if checkpoint is not None:
                restore_weights(self._attempt.model, checkpoint.weights(self._stopping.best_by.name))
                return int(checkpoint.state["progress"]["step"])
            why = "there is no best checkpoint"
        except (Damaged, OSError, KeyError, RuntimeError) as error:
            why = f"the best checkpoint cannot be used ({clean(str(error), 120)})"
        self._link.message("warning", f"The test uses the last weights: {why}.")
        return self._progress.step
