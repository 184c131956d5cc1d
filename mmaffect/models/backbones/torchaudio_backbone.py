"""Speech models of torchaudio's pipelines: wav2vec 2.0, HuBERT, WavLM.

Baevski et al., "wav2vec 2.0", NeurIPS 2020; Hsu et al., "HuBERT", TASLP 2021; Chen et al., "WavLM", JSTSP 2022.
"""

from collections.abc import Mapping
from difflib import get_close_matches

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import CheckpointError, ConfigError
from ...registry import MODELS


def find_bundle(name: str) -> object:
    """The bundle of that name in ``torchaudio.pipelines``.

    Raises:
        ConfigError: naming the nearest ones.
    """
    from torchaudio import pipelines

    bundles = {key: one for key, one in vars(pipelines).items() if isinstance(one, pipelines.Wav2Vec2Bundle)}
    if name not in bundles:
        close = get_close_matches(name.upper(), bundles, n=3, cutoff=0.5) or sorted(bundles)
        raise ConfigError(f'bundle={name!r}: torchaudio has no such speech model; did you mean {", ".join(close)}?')
    return bundles[name]


def build_speech_model(bundle: object, sizes: Mapping[str, object]) -> nn.Module:
    """The network of a bundle with random weights and no classifier.

    Args:
        bundle: of ``torchaudio.pipelines``.
        sizes: arguments of ``torchaudio.models.wav2vec2_model`` (or ``wavlm_model``) instead of the bundle's.

    Raises:
        ConfigError: for an argument that does not exist or does not fit the others.
    """
    from torchaudio.models import wav2vec2_model, wavlm_model

    # torchaudio has no public way to a bundle's sizes that does not download its weights.
    parameters = bundle._params
    for key in sizes:
        if key not in parameters:
            close = get_close_matches(key, parameters, n=1, cutoff=0.0)
            raise ConfigError(f'sizes.{key}: the model has no such parameter; did you mean {close[0]!r}?')
    build = wavlm_model if bundle._model_type == 'WavLM' else wav2vec2_model
    try:
        return build(**{**parameters, **sizes, 'aux_num_out': None})
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f'sizes do not fit each other: {error}') from None


def fetch_speech_model(bundle: object, name: str) -> nn.Module:
    """The network of a bundle with its published weights and no classifier.

    Raises:
        CheckpointError: if they cannot be had.
    """
    try:
        model = bundle.get_model(dl_kwargs={'weights_only': True, 'map_location': 'cpu'})
    # torch.hub and torch.load have no common error.
    except Exception as error:
        raise CheckpointError(f'{name}: weights of torchaudio not loaded ({" ".join(str(error).split())})') from None
    # Where waveforms are to be normalised, torchaudio wraps the network.
    model = getattr(model, 'model', model)
    model.aux = None
    return model


@MODELS.register_module()
class TorchaudioBackbone(BaseModule):
    """Speech model of torchaudio: ``(B, N)`` samples to ``(B, T', out_channels)``.

    Feature t is centred ``first_time + t * hop / sample_rate`` seconds after the first sample. While training, layers
    are dropped at random as the bundle says; ``sizes=dict(encoder_layer_drop=0.0)`` keeps all, which distributed
    training needs.

    Attributes:
        sample_rate: of the waveforms, Hz.
        hop: samples from one feature to the next; 320 in all published models.
        receptive_field: samples that the convolutions of one feature see; 400 in all published models.
        first_time: centre of the first feature, seconds.

    Args:
        bundle: name in ``torchaudio.pipelines``: ``WAV2VEC2_BASE``, ``HUBERT_BASE``, ``WAVLM_BASE_PLUS``, ...
        layer: transformer layer whose output is taken, as a Python index: -1 is the last. Layers above are not built.
            The last includes the final LayerNorm of models that have one.
        pretrained: fetch the published weights, over the network or from the cache of torch.hub, by torchaudio's
            own download: they do not pass this package's checks of a checkpoint.
        sizes: parameters of the model instead of the bundle's, such as ``encoder_num_layers``.
        normalize_waveform: bring each waveform to zero mean and unit variance; ``None``: where the bundle does.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: for an unknown bundle, layer or size.
        CheckpointError: if the weights cannot be had.
    """

    def __init__(
        self,
        bundle: str = 'WAV2VEC2_BASE',
        layer: int = -1,
        pretrained: bool = False,
        sizes: Mapping[str, object] | None = None,
        normalize_waveform: bool | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        found = find_bundle(bundle)
        if pretrained and set(sizes or {}) - {'encoder_layer_drop'}:
            raise ConfigError(f'sizes={dict(sizes)} with pretrained=True; the published weights have their own sizes')
        if pretrained:
            self.model = fetch_speech_model(found, bundle)
            if sizes:
                self.model.encoder.transformer.layer_drop = sizes['encoder_layer_drop']
        else:
            self.model = build_speech_model(found, sizes or {})
        self.normalize_waveform = found._normalize_waveform if normalize_waveform is None else normalize_waveform
        self.sample_rate = int(found.sample_rate)

        transformer = self.model.encoder.transformer
        count = len(transformer.layers)
        if not -count <= layer < count:
            raise ConfigError(f'layer={layer}; {bundle} has {count}: expected {-count} to {count - 1}')
        if layer % count != count - 1:
            transformer.layers = transformer.layers[: layer % count + 1]
            # torchaudio's flag means a norm before the first layer; the others have one after the last.
            if not transformer.layer_norm_first:
                transformer.layer_norm = nn.Identity()
        self.out_channels = transformer.pos_conv_embed.embed_dim

        self.hop, self.receptive_field = 1, 1
        for block in self.model.feature_extractor.conv_layers:
            self.receptive_field += (block.kernel_size - 1) * self.hop
            self.hop *= block.stride
        self.first_time = self.receptive_field / 2 / self.sample_rate

    def forward(self, x: Tensor) -> Tensor:
        """Embed waveforms.

        Args:
            x: ``(B, N)`` samples at ``sample_rate``, in [-1, 1].

        Returns:
            ``(B, T', out_channels)``, T' = (N - receptive_field) // hop + 1.

        Raises:
            ConfigError: for another number of dimensions, or fewer samples than one feature needs.
        """
        if x.ndim != 2 or x.shape[1] < self.receptive_field:
            raise ConfigError(
                f'TorchaudioBackbone got {tuple(x.shape)}; expected waveforms (B, N) of N >= {self.receptive_field}'
            )
        if self.normalize_waveform:
            # Each on its own; torchaudio's wrapper takes the statistics of the whole batch.
            x = F.layer_norm(x, x.shape[1:])
        return self.model(x)[0]
