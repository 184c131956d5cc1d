"""Child registries with scope ``mmaffect``; a name that is not found here is looked up in MMEngine."""

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry


def _child(parent: Registry, location: str) -> Registry:
    locations = [f'mmaffect.{location}']
    return Registry(parent.name, parent=parent, scope='mmaffect', locations=locations)


MODELS = _child(mmengine_registry.MODELS, 'models')
DATASETS = _child(mmengine_registry.DATASETS, 'datasets')
DATA_SAMPLERS = _child(mmengine_registry.DATA_SAMPLERS, 'datasets')
TRANSFORMS = _child(mmengine_registry.TRANSFORMS, 'datasets.transforms')
FUNCTIONS = _child(mmengine_registry.FUNCTIONS, 'datasets')
METRICS = _child(mmengine_registry.METRICS, 'evaluation')
HOOKS = _child(mmengine_registry.HOOKS, 'engine')
OPTIM_WRAPPERS = _child(mmengine_registry.OPTIM_WRAPPERS, 'engine')
WEIGHT_INITIALIZERS = _child(mmengine_registry.WEIGHT_INITIALIZERS, 'engine.pretrained')
# No registry of MMEngine has such things.
FACE_DETECTORS = Registry('face detector', scope='mmaffect', locations=['mmaffect.faces.detectors'])
CORRUPTIONS = Registry('corruption', scope='mmaffect', locations=['mmaffect.datasets.corruptions'])

# Nothing of ours is in these: without them MMEngine warns at every look-up under our scope.
OPTIMIZERS = _child(mmengine_registry.OPTIMIZERS, 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(mmengine_registry.OPTIM_WRAPPER_CONSTRUCTORS, 'engine')
PARAM_SCHEDULERS = _child(mmengine_registry.PARAM_SCHEDULERS, 'engine')
LOOPS = _child(mmengine_registry.LOOPS, 'engine')
RUNNERS = _child(mmengine_registry.RUNNERS, 'engine')
LOG_PROCESSORS = _child(mmengine_registry.LOG_PROCESSORS, 'engine')
EVALUATOR = _child(mmengine_registry.EVALUATOR, 'evaluation')
MODEL_WRAPPERS = _child(mmengine_registry.MODEL_WRAPPERS, 'models')
VISUALIZERS = _child(mmengine_registry.VISUALIZERS, 'visualization')
VISBACKENDS = _child(mmengine_registry.VISBACKENDS, 'visualization')
