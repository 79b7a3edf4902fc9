"""Sixteen 32-bit integers side by side in vector registers, for numba.

A row of 16 integers is one cache line. Written as a loop, LLVM keeps it in scalars or vectorises
across rows with gathers; as one vector value it takes a load, an addition and a minimum. Lines
that will be needed can be asked for ahead of time.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

LANES = 16
_VECTOR = ir.VectorType(ir.IntType(32), LANES)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)
_FIRST = ir.Constant(ir.IntType(32), 0)
_ALL_FIRST = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)


class _LanesType(types.Type):
    def __init__(self):
        super().__init__(name="Lanes")


_lanes = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _VECTOR)


def _address(context, builder, array_type, array, row):
    data = context.make_array(array_type)(context, builder, array).data
    offset = builder.mul(row, ir.Constant(row.type, LANES))
    return builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())


@intrinsic
def load(_, rows, row):
    """Row `row` of a C-ordered (n, 16) int32 array."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments)
        return builder.load(address, align=4)

    return _lanes(rows, row), generate


@intrinsic
def store(_, rows, row, x):
    """Write 16 lanes to row `row` of a C-ordered (n, 16) int32 array."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], address, align=4)
        return context.get_dummy_value()

    return types.void(rows, row, x), generate


@intrinsic
def add(_, x, number):
    """Each lane of x plus one int32."""

    def generate(context, builder, signature, arguments):
        one = builder.insert_element(_UNDEFINED, arguments[1], _FIRST)
        return builder.add(arguments[0], builder.shuffle_vector(one, _UNDEFINED, _ALL_FIRST))

    return _lanes(x, types.int32), generate


@intrinsic
def minimum(_, x, y):
    """Lane by lane the smaller of x and y."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.icmp_signed("<", *arguments), *arguments)

    return _lanes(x, y), generate


@intrinsic
def any_less(_, x, y):
    """Whether any lane of x is smaller than that of y."""

    def generate(context, builder, signature, arguments):
        less = builder.bitcast(builder.icmp_signed("<", *arguments), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", less, ir.Constant(less.type, 0))

    return types.boolean(x, y), generate


@intrinsic
def prefetch(_, array, index):
    """Ask for the cache line of entry `index`, counted flat, of a C-ordered array; never fails."""

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
