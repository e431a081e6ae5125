"""What healthy networks show: the bands that charts draw and rules compare with."""

from __future__ import annotations

UPDATE_RATIO = (1e-4, 1e-1)
"""|step| / |weight| of a layer. Layers in front of a norm layer settle higher (1e-2 to 4e-2 under SGD with weight decay
lr x wd: sqrt(2 lr wd / (1 + momentum))), and reach 0.3 for a while without harm; below 1e-4 nothing is learned."""
