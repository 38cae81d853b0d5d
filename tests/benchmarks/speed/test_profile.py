"""The profile counts every kernel once, under its kind, and tells idle time from work."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.speed.__main__ import app
from benchmarks.speed.studies.kinds import KINDS, Event, kind_of, largest, usage
from benchmarks.speed.studies.profiling import device_events, profile

# Names of kernels as CUDA builds of torch, cuDNN, cuBLAS and Triton have them.
NAMES = {
    "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl_nocast<"
    "at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}>(int)>": "copies",
    "Memcpy DtoD (Device -> Device)": "copies",
    "Memcpy HtoD (Pinned -> Device)": "copies",
    "void cudnn::engines_precompiled::nchwToNhwcKernel<__half, __half, float, false, true>": "copies",
    "void at::native::(anonymous namespace)::CatArrayBatchedCopy<at::native::OpaqueType<2u>, unsigned int>": "copies",
    "sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize128x128x32": "convolutions",
    "sm90_xmma_dgrad_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc": "convolutions",
    "void cutlass__5x_cudnn::Kernel<cutlass_tensorop_f16_s16816fprop_optimized_f16>": "convolutions",
    "void at::native::(anonymous namespace)::RowwiseMomentsCUDAKernel<c10::Half>": "norms",
    "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::Half, float>": "norms",
    "void at::native::vectorized_elementwise_kernel<4, at::native::GroupNormKernelImplInternal<c10::Half>": "norms",
    "group_norm_silu_forward": "norms",
    "_group_norm_backward_kernel": "norms",
    "void pytorch_flash::flash_fwd_kernel<pytorch_flash::Flash_fwd_kernel_traits<64, 128, 128, 4, false>>": "attention",
    "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x64": "attention",
    "fmha_cutlassF_f32_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<float>)": "attention",
    "sm90_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_execute": "matrix products",
    "nvjet_hsh_128x256_64x4_1x2_h_bz_coopA_NNT": "matrix products",
    "void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_128x128_32x3_nn_align4>": "matrix products",
    "ampere_sgemm_128x64_nn": "matrix products",
    "void cublasLt::splitKreduce_kernel<32, 16, int, float>": "matrix products",
    "chunk_backward": "norms",
    "mean_over_heads": "maps",
    "geglu_forward": "elementwise",
    "maps_forward": "maps",
    "lse_kernel": "maps",
    "_warp_maps": "maps",
    "void at::native::(anonymous namespace)::cunn_SoftMaxForward<4, float, float>": "maps",
    "void (anonymous namespace)::softmax_warp_forward<float, float, float, 9, false, false>": "maps",
    "void at::native::(anonymous namespace)::grid_sampler_2d_kernel<float, int>": "maps",
    "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::Half>>": "elementwise",
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::MeanOps<float>>>": "elementwise",
    "Memset (Device)": "elementwise",
    "triton_poi_fused_add_convolution_mul_3": "elementwise",
    "triton_red_fused_native_group_norm_silu_7": "norms",
    "void at_cuda_detail::cub::DeviceRadixSortOnesweepKernel<float>": "other",
    "aten::mkldnn_convolution": "convolutions",
    "aten::native_group_norm": "norms",
    "aten::copy_": "copies",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "attention",
    "aten::addmm": "matrix products",
    "aten::_softmax": "maps",
    "aten::add_": "elementwise",
    "aten::div": "elementwise",
    "aten::view": "other",
}


@pytest.mark.parametrize(("name", "kind"), NAMES.items(), ids=lambda each: each[:40])
def test_the_kind_of_a_kernel(name: str, kind: str):
    assert kind_of(name) == kind


def test_every_kernel_of_this_project_has_a_kind(repository: Path):
    """Those that are launched, and are not called by another kernel of their file."""
    for path in (repository / "methods").rglob("*.py"):
        text = path.read_text("utf-8")
        if "triton.jit" not in text:
            continue
        tree = ast.parse(text)
        kernels = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and any("jit" in ast.unparse(each) for each in node.decorator_list)
        ]
        called = {
            node.func.id
            for kernel in kernels
            for node in ast.walk(kernel)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        for name in {kernel.name for kernel in kernels} - called:
            assert kind_of(name) in ("norms", "maps", "elementwise"), (
                f"{path}: name the kernel {name} in benchmarks.speed.studies.kinds"
            )


def test_overlapping_kernels_are_busy_once():
    """Two streams: 0 to 10 and 5 to 12, one inside another, a gap of 8, and another kernel."""
    events = [
        Event("ampere_sgemm_128x64_nn", 20.0, 25.0, 5.0),
        Event("maps_forward", 0.0, 10.0, 10.0),
        Event("maps_forward", 5.0, 12.0, 7.0),
        Event("Memset (Device)", 6.0, 7.0, 1.0),
    ]
    found = usage(events)
    assert found.busy == 17.0
    assert {kind: each for kind, each in found.microseconds.items() if each} == {
        "maps": 17.0,
        "matrix products": 5.0,
        "elementwise": 1.0,
    }
    assert found.calls["maps"] == 2 and sum(found.calls.values()) == 4
    assert largest(events, 1) == [{"name": "maps_forward", "kind": "maps", "microseconds": 17.0, "calls": 2}]
    assert usage([]).busy == 0.0


@dataclass
class Told:
    """An event as torch's profiler gives it."""

    name: str
    device: str
    start: float
    end: float
    self_cpu_time_total: float = 0.0
    is_user_annotation: bool = False

    @property
    def device_type(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.device)

    @property
    def time_range(self) -> SimpleNamespace:
        return SimpleNamespace(start=self.start, end=self.end)


def test_only_the_device_is_counted():
    told = [
        Told("aten::add", "CPU", 0, 9, 4.0),
        Told("add_kernel", "CUDA", 2, 5),
        Told("a step", "CUDA", 0, 9, is_user_annotation=True),
    ]
    assert device_events(told, on_gpu=True) == [Event("add_kernel", 2, 5, 3)]
    assert device_events(told, on_gpu=False) == [Event("aten::add", 0, 9, 4.0)]


def test_a_profile_of_the_processor_finds_the_work():
    left, image, kernel = torch.randn(256, 256), torch.randn(1, 8, 64, 64), torch.randn(8, 8, 3, 3)

    def work() -> None:
        for _ in range(3):
            left @ left
        torch.nn.functional.conv2d(image, kernel)

    found = profile(work, "cpu")
    assert set(found["milliseconds_by_kind"]) == set(found["calls_by_kind"]) == set(KINDS)
    assert found["milliseconds_by_kind"]["convolutions"] > 0
    assert found["milliseconds_by_kind"]["matrix products"] > 0
    assert found["calls_by_kind"]["norms"] == found["calls_by_kind"]["attention"] == 0
    assert any(each["name"] == "aten::mm" and each["calls"] == 3 for each in found["largest"])
    assert 0 <= found["idle_milliseconds"] <= found["milliseconds"]


def test_the_command_prints_the_table(tmp_path: Path):
    output = tmp_path / "profile.json"
    arguments = ["--size", "tiny", "--device", "cpu", "--views", "1", "--profile", "--output", str(output)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert all(f"| {kind} " in result.output for kind in (*KINDS, "idle"))
    assert set(json.loads(output.read_text())["tasks"]) == {"fit", "predict"}
