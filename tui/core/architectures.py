"""The names of the networks that a setting can choose, known without importing torch.

torchvision's list is repeated here because importing torchvision costs three seconds and 800 MB; a test
compares the two. Of timm and of a package of one's own only the shape of the name is known here.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import sys

from tui.core.errors import UsageError, did_you_mean
from tui.core.text import clean

SIMPLE_CNN = "simple_cnn"
TIMM = "timm:"
"""What the name of a model of timm starts with: ``timm:resnet18.a1_in1k``."""

TORCHVISION = {
    name: int(parameters)
    for name, parameters in (
        entry.split("=")
        for entry in """
        alexnet=61100840 convnext_base=88591464 convnext_large=197767336 convnext_small=50223688
        convnext_tiny=28589128 densenet121=7978856 densenet161=28681000 densenet169=14149480
        densenet201=20013928 efficientnet_b0=5288548 efficientnet_b1=7794184 efficientnet_b2=9109994
        efficientnet_b3=12233232 efficientnet_b4=19341616 efficientnet_b5=30389784 efficientnet_b6=43040704
        efficientnet_b7=66347960 efficientnet_v2_l=118515272 efficientnet_v2_m=54139356
        efficientnet_v2_s=21458488 googlenet=6624904 inception_v3=27161264 maxvit_t=30919624 mnasnet0_5=2218512
        mnasnet0_75=3170208 mnasnet1_0=4383312 mnasnet1_3=6282256 mobilenet_v2=3504872
        mobilenet_v3_large=5483032 mobilenet_v3_small=2542856 regnet_x_16gf=54278536 regnet_x_1_6gf=9190136
        regnet_x_32gf=107811560 regnet_x_3_2gf=15296552 regnet_x_400mf=5495976 regnet_x_800mf=7259656
        regnet_x_8gf=39572648 regnet_y_128gf=644812894 regnet_y_16gf=83590140 regnet_y_1_6gf=11202430
        regnet_y_32gf=145046770 regnet_y_3_2gf=19436338 regnet_y_400mf=4344144 regnet_y_800mf=6432512
        regnet_y_8gf=39381472 resnet101=44549160 resnet152=60192808 resnet18=11689512 resnet34=21797672
        resnet50=25557032 resnext101_32x8d=88791336 resnext101_64x4d=83455272 resnext50_32x4d=25028904
        shufflenet_v2_x0_5=1366792 shufflenet_v2_x1_0=2278604 shufflenet_v2_x1_5=3503624
        shufflenet_v2_x2_0=7393996 squeezenet1_0=1248424 squeezenet1_1=1235496 swin_b=87768224 swin_s=49606258
        swin_t=28288354 swin_v2_b=87930848 swin_v2_s=49737442 swin_v2_t=28351570 vgg11=132863336
        vgg11_bn=132868840 vgg13=133047848 vgg13_bn=133053736 vgg16=138357544 vgg16_bn=138365992 vgg19=143667240
        vgg19_bn=143678248 vit_b_16=86567656 vit_b_32=88224232 vit_h_14=633470440 vit_l_16=304326632
        vit_l_32=306535400 wide_resnet101_2=126886696 wide_resnet50_2=68883240
        """.split()
    )
}
"""torchvision's classification models, with the parameters that they have for ImageNet's 1,000 classes."""

MODELS = (SIMPLE_CNN, *TORCHVISION)
"""The names that can be listed."""
_OF_TIMM = re.compile(r"timm:[a-z0-9][a-z0-9_.]{0,120}", re.ASCII)
_OF_CODE = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)*:[a-z_]\w*(\.[a-z_]\w*)*", re.ASCII | re.IGNORECASE)
_LONGEST = 200


def is_timm(name: str) -> bool:
    """Whether a name is one of timm's models, which may or may not exist."""
    return _OF_TIMM.fullmatch(name) is not None


def is_code(name: str) -> bool:
    """Whether a name is ``package.module:name``: something that runs when it is looked up."""
    return not name.startswith(TIMM) and len(name) <= _LONGEST and _OF_CODE.fullmatch(name) is not None


def known_model(name: str) -> str:
    """Return ``name`` if it is a model that can be built, as far as that is known without importing anything.

    Raises:
        ValueError: it is not; the message suggests the closest name.
    """
    if name in MODELS or is_timm(name) or is_code(name):
        return name
    hint = did_you_mean(name, MODELS) or "simple_cnn and resnet18 are good starts"
    raise ValueError(f'model.name is "{clean(name, 60)}", which is not a known model; {hint}')


def check_installed(name: str) -> None:
    """Refuse a model of timm where timm is not installed, and code of a module that is not there; none is run.

    Raises:
        UsageError: says how to install it.
    """
    if is_code(name) and not _is_module(name.partition(":")[0]):
        raise no_module(name, name.partition(":")[0])
    if name.startswith(TIMM) and importlib.util.find_spec("timm") is None:
        step = "Install it with `pip install 'cnntrain[timm]'`, or choose another model.name."
        raise UsageError(f"{name} cannot be used", "timm is not installed", step)


def no_module(name: str, module: str) -> UsageError:
    """Return the refusal of code whose module, or one that it needs, is not there."""
    hint = "Install its package where cnntrain is installed; the folder that you are in is not searched."
    return UsageError(f"{name} cannot be used", f"there is no module {clean(module, 80)}", hint)


def _is_module(name: str) -> bool:
    """Whether a module can be found; that imports no part of its package, as `importlib.util.find_spec` would."""
    top, *below = name.split(".")
    path = top
    try:
        spec = importlib.util.find_spec(top)
        for part in below:
            if spec is None or spec.submodule_search_locations is None:
                return False
            path = f"{path}.{part}"
            spec = importlib.machinery.PathFinder.find_spec(path, spec.submodule_search_locations)
    except (ImportError, ValueError):  # ValueError: a module that something has put there without a file
        return top in sys.modules
    return spec is not None
