from .onnx_check import check_onnx
from .onnx_export import export_onnx
from .publishing import publish

__all__ = ['check_onnx', 'export_onnx', 'publish']
