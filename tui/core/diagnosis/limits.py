"""The thresholds of the doctor's rules, named once. Where they come from: a pilot of planted faults and sound runs.

H0 is the loss of answering with the classes' frequencies, F the loss below which it cannot fall (label smoothing).
"""

from __future__ import annotations

# When is judged
EVERY = 10
"""Optimizer steps between two judgements in the first `CLOSE` steps."""
CLOSE = 512
"""First steps that are looked at more often: most that goes wrong begins here."""
LATER = 50
"""Optimizer steps between two judgements after those: each takes some milliseconds in the midst of training."""
FIRST = 20
"""Steps before which nothing is said about the course of a run."""
EARLY = 64
"""First steps that are kept for ever: runs with too high a learning rate end dead, and the cause shows only there."""
WINDOW = 40
"""Steps over which norms and ratios are a median."""
SLOPE = 100
"""Steps over which the slope of the loss is measured."""
MEAN = 20
"""Steps of the mean loss."""

# Is anything learned
FALLING = -4.0
"""t-statistic of the slope of the loss: above it the loss does not fall."""
UNLEARNED = 0.93
"""Share of the way from F to H0: above it nothing has been learned."""
LEARNING = 0.3
"""Share of H0: below it a run has learned enough that a slow step is no fault."""
PLATEAU_LEVEL = 0.5
"""Share of H0 above which a loss that stays is a plateau."""
STAYING = -2.0
"""t-statistic of the slope above which a loss stays, over `STAYING_SHARE` of the steps so far."""
STAYING_SHARE = 0.4
PLATEAU_SWING = 0.2
"""Deviation of the detrended loss over its mean: above it a loss does not stay, it swings."""

# Start
BAD_INITIAL_LOSS = 2.0
"""Times the loss of new weights, log(classes)."""
INPUT_STD = (0.05, 5.0)
INPUT_LARGEST = 20.0
INPUT_SHIFT = 0.5
"""Standard deviations between the means of training and validation pictures."""
INPUT_SCALE = 1.6
"""Times that the deviations of training and validation pictures differ."""
INPUT_DETAIL = 1.4
"""Times that their sharpness differs, both without augmentation."""
LABEL_ENTROPY = 0.5
"""Share of the entropy that a shuffled batch has."""
NORM_BATCH = 8
"""Pictures per batch below which BatchNorm's statistics are noise."""
SKIPPED_IN_A_ROW = 5
"""Steps that a loss scaler may skip."""

# Gradients and updates
GRADIENT_RATIO = 5e-3
"""Smallest over largest layer norm; sound runs >= 0.042, faults <= 7.6e-4."""
SIGNAL_SHARE = 0.05
"""Share of the gradient that the weights get: below it only biases learn, for the outputs hardly see the picture."""
EARLY_SHARE = 0.3
"""Share of the gradient that weights had at first: above it the signal has not faded on the way, it was lost later."""
SHARE_STEPS = 10
"""First steps of `EARLY_SHARE`."""
EXPLODING = 20.0
"""Times the median norm of 50 steps."""
EXPLODING_LOSS = 1.5
"""Times the median loss of 50 steps."""
EXPLODING_STEPS = (2, 5)
"""So many of so many steps."""
HIGH_UPDATE = 0.1
"""|step| / |weight|, median over the layers."""
HIGH_UPDATES = 5
"""Of the first `WINDOW` steps."""
EARLY_LOSS = 1.5
"""Times the larger of the loss of new weights and the loss now."""
EARLY_EPOCHS = 3
LOST = 1.08
"""Times the lowest mean loss so far, of a run that had begun to learn and is back at guessing."""
BEGUN = 0.97
"""Share of H0: a mean loss below it has begun to learn."""
EXPLODING_FROM = 80
"""What blows up before is for the learning rate's rules, which know the first steps."""
ADDED_UP = 5.0
"""Times the usual length of the steps that momentum adds up."""
LR_HIGH_FROM = 40
"""The first step at which a learning rate is called too high."""
LOW_UPDATE = 1e-4
"""Sound runs >= 1.3e-3, faults <= 1.1e-5."""
TAIL = 0.05
"""Share of the peak learning rate below which the schedule has decayed."""
TARGET_NORM = 1e-2
"""The update ratio to aim at before a norm layer,"""
TARGET = 3e-3
"""and elsewhere."""
DECAY_HALVING = 0.5
"""Share of a weight's norm that is left after `DECAY_STEPS` steps."""
DECAY_STEPS = 50
DECAY_STRONG = 5e-3
"""A weight decay below it does not pull by itself: then the learning rate is too high."""
FROZEN_STEPS = 20
FROZEN_GRADIENT = 1e-3
"""Share of the largest layer's gradient: below it an update may have vanished in float32."""

# Activations
DEAD = 0.9
"""Share of a layer's channels."""
MOSTLY_DEAD = 0.5
"""Share of a layer's channels beside which a gradient that has left the weights is taken for their death."""
DEAD_START = 3
"""A layer that is dead by this step was dead from the start."""
DIED_STEP = 0.01
"""|step| / |weight|, median over the layers: smaller steps kill no units."""
SATURATED = 0.5
"""Share of a layer's units."""

# Course and fit
OSCILLATION = 0.3
"""Deviation of the detrended loss over its mean."""
OSCILLATION_AFTER = 0.2
"""Share of the run."""
NO_BETTER = 3
"""Validations without a better one."""
PLATEAU_AFTER = 0.6
"""Share of the run."""
STRONG_DROPOUT = 0.5
STRONG_DECAY = 0.02
TINY_WIDTH = 4
UNDERFIT_GAP = 0.1
"""Accuracy between training and validation pictures, at most."""
OVERFIT_GAP = 0.15
OVERFIT_LOSS = 1.1
"""Times the best validation loss."""
OVERFIT_LEVEL = 0.6
"""Share of H0 below which the training loss must be."""
MISMATCH = 0.2
"""Accuracy between training batches and the same pictures evaluated."""
MISMATCH_WARNING = 3
"""Validations after which it is a warning."""
DIFFERS_TRAIN = 0.3
DIFFERS_SHARE = 0.4
FEW_PICTURES = 30
"""Training pictures per class; of fewer a network learns nothing but themselves, and no setting makes up for them."""
NO_SIGNAL_STEPS = 300
NO_SIGNAL_EPOCHS = 2
NO_SIGNAL_SAMPLES = 8
AGREEMENT = 0.1
"""Share of a half's squared gradient that the other half may have in common with it."""
GENERALISED = 0.97
"""Share of H0: a validation loss below it proves that the labels belong to the pictures."""
BY_HEART = 0.01
"""Loss of the validation above that of training pictures, share of H0, mean of `BY_HEART_VALIDATIONS`."""
BY_HEART_VALIDATIONS = 4
NOISY_LABELS = 0.1
"""Loss of training pictures above that of validation pictures."""
COLLAPSED = 0.95
COLLAPSED_FROM = 60
IMBALANCE = 10.0
IMBALANCE_RECALL = 0.2
NOISE_SAMPLES = 20
NOISE_SCALE = 8.0
"""Times that the gradient noise scale and the batch may differ."""
