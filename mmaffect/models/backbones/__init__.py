from .audio_resnet import AudioResNet
from .clip_tcn import ClipTCN
from .i3d import I3D
from .iresnet import IResNet
from .mm_backbone import MMBackbone
from .r2plus1d import R2Plus1D
from .timm_backbone import TimmBackbone
from .torchaudio_backbone import TorchaudioBackbone
from .vggish import VGGish

__all__ = [
    'I3D',
    'AudioResNet',
    'ClipTCN',
    'IResNet',
    'MMBackbone',
    'R2Plus1D',
    'TimmBackbone',
    'TorchaudioBackbone',
    'VGGish',
]
