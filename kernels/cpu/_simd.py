"""SIMD instructions for numba: one vector of 16 32-bit integers, which is a cache line.

Written as a loop over 16 integers, LLVM keeps them in scalars or vectorises across rows with
gathers; as one vector value they take a load, an addition and a minimum. Cache lines can be
prefetched.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

SIMD_WIDTH = 16  # lanes of a vector
_LLVM_VECTOR = ir.VectorType(ir.IntType(32), SIMD_WIDTH)
_UNDEFINED = ir.Constant(_LLVM_VECTOR, ir.Undefined)
_LANE_0 = ir.Constant(ir.IntType(32), 0)
_BROADCAST_LANE_0 = ir.Constant(_LLVM_VECTOR, [0] * SIMD_WIDTH)


class _VectorType(types.Type):
    def __init__(self):
        super().__init__(name="Int32x16")


_vector = _VectorType()


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _LLVM_VECTOR)


def _address(context, builder, array_type, array, row):
    data = context.make_array(array_type)(context, builder, array).data
    offset = builder.mul(row, ir.Constant(row.type, SIMD_WIDTH))
    return builder.bitcast(builder.gep(data, [offset]), _LLVM_VECTOR.as_pointer())


@intrinsic
def load(_, rows, row):
    """Load row `row` of a C-ordered (n, 16) int32 array into a vector."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments)
        return builder.load(address, align=4)

    return _vector(rows, row), generate


@intrinsic
def store(_, rows, row, x):
    """Store a vector in row `row` of a C-ordered (n, 16) int32 array."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], address, align=4)
        return context.get_dummy_value()

    return types.void(rows, row, x), generate


@intrinsic
def add_scalar(_, x, number):
    """Vector x plus an int32 that is broadcast to all lanes."""

    def generate(context, builder, signature, arguments):
        one = builder.insert_element(_UNDEFINED, arguments[1], _LANE_0)
        broadcast = builder.shuffle_vector(one, _UNDEFINED, _BROADCAST_LANE_0)
        return builder.add(arguments[0], broadcast)

    return _vector(x, types.int32), generate


@intrinsic
def minimum(_, x, y):
    """Lane-wise minimum of x and y."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.icmp_signed("<", *arguments), *arguments)

    return _vector(x, y), generate


@intrinsic
def any_less(_, x, y):
    """Whether x is less than y in any lane."""

    def generate(context, builder, signature, arguments):
        less = builder.bitcast(builder.icmp_signed("<", *arguments), ir.IntType(SIMD_WIDTH))
        return builder.icmp_unsigned("!=", less, ir.Constant(less.type, 0))

    return types.boolean(x, y), generate


@intrinsic
def prefetch(_, array, index):
    """Prefetch the cache line of entry `index`, counted flat, of a C-ordered array; never fails."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        hint = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [address.type],
            ir.FunctionType(ir.VoidType(), [address.type, number, number, number]),
        )
        builder.call(hint, [address, number(0), number(3), number(1)])  # read, keep, data
        return context.get_dummy_value()

    return types.void(array, index), generate
