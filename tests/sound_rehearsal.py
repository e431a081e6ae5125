"""What a dry run finds where nothing is wrong."""

from __future__ import annotations

from tui.core.memory import GIB
from tui.core.rehearsal import Overfit, Rehearsal

SOUND = Rehearsal(
    device="cpu (2 threads)",
    batch_size=32,
    accumulate=1,
    images={"train": 3200, "validation": 320, "test": 0},
    epoch_steps=100,
    total_steps=1000,
    steps=12,
    step_seconds=0.5,
    wait_seconds=0.01,
    prepare_seconds=2.0,
    validation_seconds=6.0,
    validations=10,
    test_seconds=40.0,
    peak=1 * GIB,
    limit=8 * GIB,
    largest_batch=256,
    tried=False,
    fits=True,
    checkpoint_bytes=10 << 20,
    checkpoints=4,
    record_bytes=1 << 20,
    disk_free=50 * GIB,
    first_loss=2.31,
    label_entropy=2.30,
    blank_loss=2.30,
    overfit=Overfit(32, 12, 2.31, 0.6),
)
