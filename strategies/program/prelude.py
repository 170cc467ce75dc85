"""Functions with derivatives of their own that every program may call, written once for any library of torch's names.

`prelude.square(x)` in a program is `Square.apply(x)` of the class below, made with the namespace that the program runs on.
Each shows one thing that a Function may say or do; those at the end do what is forbidden. A trace and a standalone script of
a program that uses them hold this source.

Source: https://docs.pytorch.org/docs/stable/notes/extending.html and
https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.Function
"""

import functools
import inspect
from typing import Any

NAMES = frozenset(
    """
    square exp scale cube triple product double_ undeclared_double_ same tail pair lazy_pair signs whole once slopes rounded again
    quiet loud frozen
    dirty_copy no_slope no_backward surplus too_few wrong_shape wrong_kind failing
    """.split()
)
IN_PLACE = frozenset(("double_", "undeclared_double_", "dirty_copy"))
"""Those that write to what they are given."""
IN_MODES = {"quiet": "no_grad", "loud": "enable_grad", "frozen": "inference_mode"}
"""Those that a mode decorates."""


def make(torch: Any) -> dict[str, Any]:
    """The functions by name, for a namespace with torch's names."""
    base: Any = torch.autograd.Function
    once_differentiable = torch.autograd.function.once_differentiable

    class Square(base):
        """Saves an input; its backward can be differentiated, and so can it forwards."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            return x * x

        @staticmethod
        def jvp(ctx, tangent):
            (x,) = ctx.saved_tensors
            return tangent * 2 * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 2 * x

    class Exp(base):
        """Saves an output."""

        @staticmethod
        def forward(ctx, x):
            result = x.exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx, grad):
            (result,) = ctx.saved_tensors
            return grad * result

    class Scale(base):
        """Takes a number beside the tensor, and sets its context up apart from forward."""

        @staticmethod
        def forward(x, factor=3):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.factor = inputs[1]

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.factor, None

    class Cube(base):
        """Can be transformed: its context is set up apart, and its map is made by itself."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x * x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 3 * x * x

        @staticmethod
        def jvp(ctx, tangent):
            (x,) = ctx.saved_tensors
            return tangent * 3 * x * x

    class Triple(base):
        """Says what it is for a batch."""

        @staticmethod
        def forward(x):
            return x * 3

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

        @staticmethod
        def jvp(ctx, tangent):
            return tangent * 3

        @staticmethod
        def vmap(info, in_dims, x):
            return x * 3, in_dims[0]

    class Product(base):
        """Computes only the gradients that are needed."""

        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, grad):
            x, y = ctx.saved_tensors
            of_x = grad * y if ctx.needs_input_grad[0] else None
            return of_x, (grad * x if ctx.needs_input_grad[1] else None)

    class Double(base):
        """Writes its input in place, and says so."""

        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

        @staticmethod
        def jvp(ctx, tangent):
            return tangent.mul_(2)

    class UndeclaredDouble(base):
        """Writes its input in place without saying so."""

        @staticmethod
        def forward(ctx, x):
            return x.mul_(2)

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    class Same(base):
        """Returns its input as it is."""

        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    class Tail(base):
        """Returns a view of its input."""

        @staticmethod
        def forward(ctx, x):
            ctx.form = x.shape
            return x[..., 1:]

        @staticmethod
        def backward(ctx, grad):
            whole = grad.new_zeros(ctx.form)
            whole[..., 1:] = grad
            return whole

        @staticmethod
        def jvp(ctx, tangent):
            return tangent[..., 1:]

    class Pair(base):
        """Two outputs: zeros stand for the gradient of one that is not used."""

        @staticmethod
        def forward(ctx, x):
            return x * 2, x + 1

        @staticmethod
        def backward(ctx, first, second):
            return first * 2 + second

    class LazyPair(base):
        """Two outputs: None stands for the gradient of one that is not used, and is told from zeros."""

        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x + 1

        @staticmethod
        def backward(ctx, first, second):
            if first is None:
                return second * 3
            return first * 5 if second is None else first * 2 + second

    class Signs(base):
        """An output that has no gradient beside one that has."""

        @staticmethod
        def forward(ctx, x):
            signs = x.sign()
            ctx.mark_non_differentiable(signs)
            ctx.save_for_backward(signs)
            return x.abs(), signs

        @staticmethod
        def backward(ctx, grad, nothing):
            (signs,) = ctx.saved_tensors
            return grad * signs + nothing

    class Whole(base):
        """Returns integers and a number beside the tensor."""

        @staticmethod
        def forward(ctx, x):
            return x * 2, x.long(), 5

        @staticmethod
        def backward(ctx, grad, of_integers, of_number):
            return grad * 2

    class Once(base):
        """Its gradient cannot be differentiated again."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 2 * x

    class Slopes(base):
        """Saves what is neither input nor output, which double backward does not see."""

        @staticmethod
        def forward(ctx, x):
            slopes = x * 2
            ctx.save_for_backward(slopes, None)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.saved_tensors[0]

    class Rounded(base):
        """Lets the gradient through where the function is flat."""

        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, grad):
            return grad

    class Again(base):
        """Runs forward again within backward, and a backward of its own there."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            x = ctx.saved_tensors[0].detach().requires_grad_()
            with torch.enable_grad():
                result = x * x * x
            return torch.autograd.grad(result, x, grad)[0]

    class DirtyCopy(base):
        """Marks its input as dirty and returns another tensor."""

        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2).clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    class NoSlope(base):
        """Gives no gradient."""

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return None

    class NoBackward(base):
        """Has no backward."""

        @staticmethod
        def forward(ctx, x):
            return x * 2

    class Surplus(NoSlope):
        """Gives more gradients than it has inputs."""

        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    class TooFew(NoSlope):
        """Gives fewer gradients than it has inputs."""

        @staticmethod
        def backward(ctx, grad):
            return ()

    class WrongShape(NoSlope):
        """Gives a gradient of another shape."""

        @staticmethod
        def backward(ctx, grad):
            return grad.new_ones(7)

    class WrongKind(NoSlope):
        """Gives what is no tensor."""

        @staticmethod
        def backward(ctx, grad):
            return 1.0

    class Failing(NoSlope):
        """Raises in backward."""

        @staticmethod
        def backward(ctx, grad):
            raise ValueError("this backward always fails")

    @torch.no_grad()
    def quiet(x):
        return x * 2

    @torch.enable_grad()
    def loud(x):
        return x * 2

    @torch.inference_mode()
    def frozen(x):
        return x * 2

    classes: dict[str, Any] = {
        "square": Square, "exp": Exp, "scale": Scale, "cube": Cube, "triple": Triple, "product": Product, "double_": Double,
        "undeclared_double_": UndeclaredDouble, "same": Same, "tail": Tail, "pair": Pair, "lazy_pair": LazyPair,
        "signs": Signs, "whole": Whole, "once": Once, "slopes": Slopes, "rounded": Rounded, "again": Again,
        "dirty_copy": DirtyCopy, "no_slope": NoSlope, "no_backward": NoBackward, "surplus": Surplus, "too_few": TooFew,
        "wrong_shape": WrongShape, "wrong_kind": WrongKind, "failing": Failing,
    }  # fmt: skip
    functions = {name: one.apply for name, one in classes.items()}
    return {**functions, "quiet": quiet, "loud": loud, "frozen": frozen}


class Prelude:
    """The functions as attributes; they are made when the first one is asked for."""

    def __init__(self, namespace: Any) -> None:
        self.namespace = namespace

    def __getattr__(self, name: str) -> Any:
        if name not in NAMES:
            raise AttributeError(name)
        self.__dict__.update(make(self.namespace))
        return self.__dict__[name]


def used_in(text: str) -> bool:
    """Whether a program's text calls one of the functions."""
    return "prelude." in text


@functools.cache
def source() -> str:
    """What a script needs beside `import torch` so that `prelude` is there: functions alone."""
    imports = "from types import SimpleNamespace\nfrom typing import Any\n"
    return f"{imports}\n\n{inspect.getsource(make)}\n\nprelude = SimpleNamespace(**make(torch))\n"
