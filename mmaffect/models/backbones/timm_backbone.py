"""Image models of timm (Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models)."""

from difflib import get_close_matches

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from ...errors import CheckpointError, ConfigError
from ...registry import MODELS


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """Any image model of timm, without its classifier: ``(N, in_channels, S, S)`` to ``(N, out_channels)``.

    The data preprocessor should normalise images as the weights expect: ``mean`` and ``std`` of
    ``timm.get_pretrained_cfg(model_name)``.

    Args:
        model_name: as for ``timm.create_model``: ``resnet18``, ``resnet18.a1_in1k``, ``hf-hub:owner/name``.
        pretrained: fetch timm's weights, over the network or from the Hugging Face cache, by timm's own download: they
            do not pass this package's checks of a checkpoint.
        in_channels: channels of the images.
        image_size: side, pixels, to which images are resized (bilinear) before; ``None`` leaves them as they are.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if timm is missing or has no such model.
        CheckpointError: if the weights cannot be had.
    """

    def __init__(
        self,
        model_name: str,
        pretrained: bool = False,
        in_channels: int = 3,
        image_size: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        try:
            import timm
        except ImportError:
            raise ConfigError('TimmBackbone needs timm: pip install "mmaffect[backbones]"') from None
        on_hub = ':' in model_name
        if not on_hub and not timm.is_model(model_name):
            close = get_close_matches(model_name.partition('.')[0], timm.list_models(), n=3, cutoff=0.5)
            hint = f'; did you mean {" or ".join(close)}?' if close else ''
            raise ConfigError(f'model_name={model_name!r}: timm has no such model{hint}')
        try:
            self.model = timm.create_model(model_name, pretrained, num_classes=0, in_chans=in_channels)
        # The hub, its HTTP client and torch.load have no common error.
        except Exception as error:
            text = ' '.join(str(error).split())
            if pretrained or on_hub:
                raise CheckpointError(f'{model_name}: weights of timm not loaded ({text})') from None
            raise ConfigError(f'model_name={model_name!r}: {text}') from None
        # MMEngine calls init_weights() of what is inside, and some models of timm would then draw their weights anew.
        self._is_init = pretrained
        self.in_channels = in_channels
        self.image_size = image_size
        # MobileNetV3 and others have one more layer after num_features.
        self.out_channels = getattr(self.model, 'head_hidden_size', None) or self.model.num_features

        settings = self.model.default_cfg
        self.fixed_size = tuple(settings['input_size'][-2:]) if settings.get('fixed_input_size') else None

    def forward(self, x: Tensor) -> Tensor:
        """Embed images.

        Args:
            x: ``(N, in_channels, S, S)``.

        Returns:
            ``(N, out_channels)``.

        Raises:
            ConfigError: for another number of dimensions or channels, or an image that a model of one size cannot take.
        """
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ConfigError(f'TimmBackbone got {tuple(x.shape)}; expected images (N, {self.in_channels}, S, S)')
        if self.image_size is not None:
            x = F.interpolate(x, size=(self.image_size, self.image_size), mode='bilinear', align_corners=False)
        if self.fixed_size is not None and tuple(x.shape[-2:]) != self.fixed_size:
            raise ConfigError(
                f'image of {tuple(x.shape[-2:])} pixels; this model takes {self.fixed_size}: '
                f'set image_size={self.fixed_size[0]}'
            )
        return self.model(x)
