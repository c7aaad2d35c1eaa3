"""The inner loop of a matrix product with its sums in registers, written in LLVM's vector types: Numba has none, and on processors of
Intel LLVM by itself takes half of a register of AVX-512. The sum of each number goes up the terms, whatever stands beside it."""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import llvmlite.ir
import numba
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16
_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
ROWS, VECTORS = (8, 2) if _WIDE else (6, 1)  # 16 of 32 registers, and 12 of 16 (AVX2, two for 16 lanes), hold sums
SPAN = VECTORS * LANES  # columns


def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    ir, number = llvmlite.ir, llvmlite.ir.IntType(64)
    vector = ir.VectorType(ir.FloatType(), LANES)
    terms, stride = arguments[2], arguments[4]

    def pointer(at: int) -> Any:
        return context.make_array(signature.args[at])(context, builder, arguments[at]).data

    def wide(base: Any, offset: Any) -> Any:
        return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

    def load(place: Any) -> Any:
        found = builder.load(place)
        found.align = 4
        return found

    values, weights, results = pointer(0), pointer(3), pointer(5)
    begins = [builder.load(builder.gep(pointer(1), [number(row)])) for row in range(ROWS)]
    kept = [[cgutils.alloca_once(builder, vector) for _ in range(VECTORS)] for _ in range(ROWS)]
    for row in range(ROWS):
        for part in range(VECTORS):
            builder.store(load(wide(results, number(row * SPAN + part * LANES))), kept[row][part])
    with cgutils.for_range(builder, terms, intp=number) as loop:
        at = builder.mul(loop.index, stride)
        rights = [load(wide(weights, builder.add(at, number(part * LANES)))) for part in range(VECTORS)]
        for row in range(ROWS):
            one = builder.load(builder.gep(values, [builder.add(begins[row], loop.index)]))
            spread = builder.shuffle_vector(
                builder.insert_element(ir.Constant(vector, ir.Undefined), one, ir.IntType(32)(0)),
                ir.Constant(vector, ir.Undefined),
                ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES),
            )
            for part in range(VECTORS):
                product = builder.fmul(spread, rights[part], flags=("contract",))
                builder.store(builder.fadd(builder.load(kept[row][part]), product, flags=("contract",)), kept[row][part])
    for row in range(ROWS):
        for part in range(VECTORS):
            written = builder.store(builder.load(kept[row][part]), wide(results, number(row * SPAN + part * LANES)))
            written.align = 4
    return context.get_dummy_value()


def _compiled(typingctx: Any, x: Any, starts: Any, terms: Any, panel: Any, stride: Any, sums: Any) -> Any:
    return types.none(x, starts, types.int64, panel, types.int64, sums), _emit


def _plain(x: Any, starts: Any, terms: int, panel: Any, stride: int, sums: Any) -> None:
    for row in range(ROWS):
        for term in range(terms):
            sums[row * SPAN : (row + 1) * SPAN] += x[starts[row] + term] * panel[term * stride : term * stride + SPAN]


# sums[row SPAN + c] += sum_t x[starts[row] + t] panel[t stride + c], t < terms, for ROWS rows and SPAN columns. All arrays are flat and
# float32, starts int64. t goes up, and a product is fused with the sum that it goes into where the processor can.
add_products: Any = _plain if numba.config.DISABLE_JIT else intrinsic(_compiled)
