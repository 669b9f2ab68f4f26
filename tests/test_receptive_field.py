from collections.abc import Callable
from typing import Any

import pytest

from pixelcat.processors.formats import keras3
from pixelcat.processors.receptive_field import ReceptiveField, measure

Build = Callable[[Any, Any], Any]


@pytest.fixture(scope="session")
def layers() -> Any:
    from pixelcat.processors.tensorflow_setup import tensorflow

    tensorflow()
    import keras

    return keras.layers


@pytest.fixture
def measured(layers: Any, tmp_path: Any) -> Callable[..., ReceptiveField]:
    """Return a function that measures a network given by what lies between input and output."""
    import keras

    def run(build: Build, size: int | None = None) -> ReceptiveField:
        keras.utils.set_random_seed(11)
        inputs = layers.Input((size, size, 2))
        keras.Model(inputs, build(layers, inputs)).save(tmp_path / "net.keras")
        return measure(keras3.load(tmp_path / "net.keras", {}))

    return run


def conv(layers: Any, size: int = 3, **options: Any) -> Any:
    return layers.Conv2D(4, size, padding="same", **options)


def stack(*steps: Callable[[Any], Any]) -> Build:
    """Make a network of layers, each given as a function of ``keras.layers``."""

    def build(layers: Any, x: Any) -> Any:
        for step in steps:
            x = step(layers)(x)
        return x

    return build


def three(layers: Any) -> Any:
    return conv(layers)


def relu(layers: Any) -> Any:
    return conv(layers, activation="relu")


def half(layers: Any) -> Any:
    return layers.MaxPooling2D()


def twice(layers: Any) -> Any:
    return layers.UpSampling2D()


def smooth(layers: Any) -> Any:
    return layers.UpSampling2D(interpolation="bilinear")


@pytest.mark.parametrize(("layer", "count"), [(three, 1), (relu, 2), (relu, 7)])
def test_each_3x3_convolution_looks_one_pixel_further(
    measured: Callable[..., ReceptiveField], layer: Any, count: int
) -> None:
    assert measured(stack(*[layer] * count)) == ReceptiveField(stride=1, radius=count)


@pytest.mark.parametrize(
    ("network", "stride", "radius"),
    [
        (stack(lambda layers: conv(layers, 1)), 1, 0),
        (stack(lambda layers: conv(layers, 5)), 1, 2),
        (stack(lambda layers: conv(layers, (1, 7))), 1, 3),
        (stack(lambda layers: conv(layers, dilation_rate=3)), 1, 3),
        (stack(half, twice), 2, 0),
        (stack(lambda layers: layers.AveragePooling2D(2), twice), 2, 0),
        (stack(half, half, twice, twice), 4, 0),
        (stack(half, three, twice), 2, 2),
        (stack(half, three, twice, three), 2, 4),
        (stack(three, half, three, twice, three), 2, 5),
        (stack(half, half, three, twice, twice), 4, 4),
        (stack(lambda layers: layers.MaxPooling2D(4), lambda layers: layers.UpSampling2D(4)), 4, 0),
        (stack(half, half, half, half, *[twice] * 4), 16, 0),
        (stack(half, smooth), 2, 2),
        (
            stack(
                lambda layers: layers.Conv2D(4, 2, strides=2),
                lambda layers: layers.Conv2DTranspose(4, 2, strides=2),
            ),
            2,
            0,
        ),
    ],
)
def test_stride_and_radius_of_networks_that_can_be_worked_out_by_hand(
    measured: Callable[..., ReceptiveField], network: Build, stride: int, radius: int
) -> None:
    assert measured(network) == ReceptiveField(stride=stride, radius=radius)


def skip(layers: Any, x: Any) -> Any:
    below = twice(layers)(half(layers)(x))
    return conv(layers, 1)(layers.Concatenate()([x, below]))


def faint_skip(layers: Any, x: Any) -> Any:
    """What the halved image adds is a thousandth of what the image itself gives."""
    below = layers.Rescaling(1e-3)(twice(layers)(half(layers)(x)))
    return layers.Add()([layers.Rescaling(1.0)(x), below])


@pytest.mark.parametrize("network", [skip, faint_skip])
def test_a_skip_connection_does_not_hide_the_stride(
    measured: Callable[..., ReceptiveField], network: Build
) -> None:
    assert measured(network) == ReceptiveField(stride=2, radius=0)


def unet(depth: int, pool: str, up: str, normalised: bool) -> Build:
    """Two 3x3 convolutions on each level, as U-Nets are usually built."""

    def block(layers: Any, x: Any) -> Any:
        for _ in range(2):
            x = conv(layers)(x)
            x = layers.BatchNormalization()(x) if normalised else x
            x = layers.ReLU()(x)
        return x

    def larger(layers: Any, x: Any) -> Any:
        if up == "transposed":
            return layers.Conv2DTranspose(4, 2, strides=2)(x)
        return layers.UpSampling2D(interpolation=up)(x)

    def build(layers: Any, x: Any) -> Any:
        skips = []
        for _ in range(depth):
            x = block(layers, x)
            skips.append(x)
            x = getattr(layers, pool)(2)(x)
        x = block(layers, x)
        for above in reversed(skips):
            x = block(layers, layers.Concatenate()([larger(layers, x), above]))
        return layers.Conv2D(3, 1, activation="softmax")(x)

    return build


@pytest.mark.parametrize(
    ("network", "stride", "radius"),
    [
        (unet(2, "MaxPooling2D", "nearest", True), 4, 22),
        (unet(3, "MaxPooling2D", "transposed", False), 8, 46),
        (unet(3, "MaxPooling2D", "bilinear", True), 8, 54),
        (unet(4, "AveragePooling2D", "bilinear", False), 16, 110),
        (unet(5, "MaxPooling2D", "nearest", False), 32, 190),
    ],
)
def test_the_deepest_level_of_a_unet_gives_its_stride(
    measured: Callable[..., ReceptiveField], network: Build, stride: int, radius: int
) -> None:
    """The deeper, the smoother what comes back up, and the easier it is overlooked."""
    assert measured(network) == ReceptiveField(stride=stride, radius=radius)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_sure_unet_does_not_hide_its_stride(
    measured: Callable[..., ReceptiveField], normalised: bool
) -> None:
    def network(layers: Any, x: Any) -> Any:
        scaled = layers.Rescaling(1e4)(x)
        return unet(2, "MaxPooling2D", "nearest", normalised)(layers, scaled)

    assert measured(network) == ReceptiveField(stride=4, radius=22)


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (1.0, -2.0)])
def test_scaling_inside_the_network_changes_nothing(
    measured: Callable[..., ReceptiveField], scale: float, offset: float
) -> None:
    def network(layers: Any, x: Any) -> Any:
        scaled = layers.Rescaling(scale, offset=offset)(x)
        return stack(relu, half, relu, smooth, relu)(layers, scaled)

    assert measured(network) == ReceptiveField(stride=2, radius=5)


def test_a_network_that_only_reacts_to_bright_pixels_has_its_stride(
    measured: Callable[..., ReceptiveField], layers: Any
) -> None:
    def network(layers: Any, x: Any) -> Any:
        bright = layers.ReLU(threshold=200.0)(x)
        return stack(half, twice)(layers, bright)

    assert measured(network) == ReceptiveField(stride=2, radius=0)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_network_that_is_always_sure_has_its_stride(
    measured: Callable[..., ReceptiveField], layers: Any, activation: str
) -> None:
    """Scores are 0 or 1 but where two classes meet."""

    def network(layers: Any, x: Any) -> Any:
        pooled = stack(half, relu, twice)(layers, layers.Rescaling(1e3)(x))
        return layers.Conv2D(3, 1, activation=activation)(pooled)

    assert measured(network) == ReceptiveField(stride=2, radius=2)


def globally(layers: Any, x: Any) -> Any:
    weights = layers.Conv2D(2, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return conv(layers)(layers.Multiply()([x, weights]))


def test_a_network_that_sees_the_whole_image_has_no_radius(
    measured: Callable[..., ReceptiveField],
) -> None:
    """What is left is to stand on a multiple of the grid of its poolings."""

    def network(layers: Any, x: Any) -> Any:
        return stack(half, half, twice, twice)(layers, globally(layers, x))

    found = measured(network)
    assert found.radius is None
    assert found.stride % 4 == 0


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (stack(three, three), ReceptiveField(stride=1, radius=2)),
        (stack(half, three, twice), ReceptiveField(stride=2, radius=2)),
    ],
)
def test_a_network_of_fixed_size_is_measured_at_that_size(
    measured: Callable[..., ReceptiveField], network: Build, expected: ReceptiveField
) -> None:
    assert measured(network, 48) == expected


def test_a_network_that_looks_further_than_its_fixed_size_has_no_radius(
    measured: Callable[..., ReceptiveField],
) -> None:
    assert measured(stack(*[three] * 20), 32).radius is None


def pyramid(layers: Any, x: Any) -> Any:
    """Dilated kernels side by side behind four halvings, as DeepLab has them."""
    deep = stack(*[lambda layers: layers.Conv2D(4, 3, strides=2, padding="same")] * 4)(layers, x)
    parts = [conv(layers, dilation_rate=rate)(deep) for rate in (1, 6, 18)]
    return layers.UpSampling2D(16)(layers.Concatenate()(parts))


def far_operation(layers: Any, x: Any) -> Any:
    """The same kernel, called as an operation and not as a layer."""
    import keras

    values = conv(layers)(x)
    kernel = keras.ops.ones((3, 3, 4, 4))
    return keras.ops.conv(values, kernel, padding="same", dilation_rate=300)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (stack(lambda each: conv(each, dilation_rate=100),
               lambda each: conv(each, dilation_rate=60)), (1, 160)),
        (stack(lambda each: conv(each, dilation_rate=800)), (1, 800)),
        (stack(lambda each: conv(each, 2, dilation_rate=300)), (1, None)),
        (far_operation, (1, 301)),
        (pyramid, (16, 18 * 16 + 15)),
    ],
    ids=["one behind the other", "beyond all images", "without a middle", "operation", "pyramid"],
)  # fmt: skip
def test_gaps_of_a_kernel_do_not_hide_what_lies_behind_them(
    measured: Callable[..., ReceptiveField], build: Build, expected: tuple[int, int]
) -> None:
    """What it sees there has nothing around it, and may lie beyond a small image altogether.

    A kernel without a middle sees nothing on a narrow image: how far it looks is not told.
    """
    field = measured(build)
    assert (field.stride, field.radius) == expected


def test_a_network_that_looks_far_is_measured_on_a_larger_image(
    measured: Callable[..., ReceptiveField],
) -> None:
    far = stack(*[lambda layers: conv(layers, dilation_rate=16)] * 6)
    assert measured(far) == ReceptiveField(stride=1, radius=96)


@pytest.mark.parametrize(
    "network",
    [
        stack(half, three),
        stack(twice),
        stack(lambda layers: layers.Conv2D(3, 3)),
        stack(lambda layers: layers.Resizing(100, 100)),
    ],
)
def test_a_network_that_gives_another_size_is_refused(
    measured: Callable[..., ReceptiveField], network: Build
) -> None:
    with pytest.raises(ValueError, match="not one score vector per pixel"):
        measured(network)


def test_scores_that_are_not_finite_do_not_warn(
    measured: Callable[..., ReceptiveField],
) -> None:
    """They fail the images, later and by name."""
    endless = stack(lambda layers: layers.Rescaling(1e38), three)
    assert measured(endless, 32).stride >= 1


@pytest.mark.parametrize(
    "layer",
    [
        lambda layers: layers.SeparableConv2D(64, 3, padding="same"),
        lambda layers: layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        lambda layers: layers.Conv2DTranspose(48, 3, padding="same"),
    ],
    ids=["separable", "depthwise", "transposed"],
)
def test_wide_layers_do_not_drown_the_deep_path(
    measured: Callable[..., ReceptiveField], layer: Callable[[Any], Any]
) -> None:
    """The skip connection is worth as much as the path below it, however wide that is."""

    def network(layers: Any, x: Any) -> Any:
        skip = layer(layers)(x)
        deep = stack(half, layer, layer, half, layer, layer, twice, layer, twice)(layers, skip)
        return layers.Concatenate()([skip, deep])

    found = measured(network)
    assert (found.stride, found.radius) == (4, 1 + 2 * 2 + 2 * 4 + 2 * 2)


# what strangers found


@pytest.mark.parametrize("gate", ["layer", "operator"])
@pytest.mark.parametrize("dilation", [1, 5])
def test_a_factor_does_not_hide_how_far_the_other_looks(
    measured: Callable[..., ReceptiveField], gate: str, dilation: int
) -> None:
    def build(layers: Any, x: Any) -> Any:
        near = layers.Conv2D(4, 1)(x)
        far = conv(layers, dilation_rate=dilation, activation="sigmoid")(x)
        product = layers.Multiply()([near, far]) if gate == "layer" else near * far
        return layers.Conv2D(3, 1)(product)

    assert measured(build) == ReceptiveField(stride=1, radius=dilation)


@pytest.mark.parametrize(("axis", "kind"), [(1, "layer"), ((1, 2), "layer"), (2, "operation")])
def test_a_soft_max_over_space_sees_the_whole_image(
    measured: Callable[..., ReceptiveField], axis: Any, kind: str
) -> None:
    def build(layers: Any, x: Any) -> Any:
        import keras

        x = conv(layers)(x)
        x = layers.Softmax(axis)(x) if kind == "layer" else keras.ops.softmax(x, axis=axis)
        return layers.Conv2D(3, 1)(x)

    assert measured(build).radius is None


@pytest.mark.parametrize(("depth", "stem", "last"), [(1, 3, 1), (2, 0, 3), (2, 5, 5), (3, 5, 5)])
def test_transposed_convolutions_of_three_pixels_are_measured(
    measured: Callable[..., ReceptiveField], depth: int, stem: int, last: int
) -> None:
    def build(layers: Any, x: Any) -> Any:
        if stem:
            x = conv(layers, stem)(x)
        skips = []
        for _ in range(depth):
            x = relu(layers)(x)
            skips.append(x)
            x = half(layers)(x)
        for skip in reversed(skips):
            x = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
            x = conv(layers)(layers.Concatenate()([x, skip]))
        return conv(layers, last)(x)

    found = measured(build)
    assert found.stride == 2**depth
    assert found.radius is not None


def test_a_network_that_divides_by_three_is_measured_at_such_sizes(
    layers: Any, prepared: Callable[..., Any]
) -> None:
    import keras

    inputs = layers.Input((None, None, 3))
    x = layers.MaxPooling2D(3)(conv(layers)(inputs))
    x = layers.Concatenate()([layers.UpSampling2D(3)(conv(layers)(x)), inputs])
    ready = prepared(keras.Model(inputs, layers.Conv2D(3, 1)(x)))
    assert ready.found["stride"] in (3, 6)
    assert ready.classifier.tiling.stride % 3 == 0
    assert ready.notes == ()
