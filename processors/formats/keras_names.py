"""Names in Keras and in TensorFlow that a configuration may use: what they do is compute.

Lists of what is allowed, not of what is known to be bad: what a later Keras or TensorFlow brings
is refused until somebody has looked at it. Not in them: whatever calls any function that it is
given (``Switch``, ``Map``, ``Lambda``, ``MeanMetricWrapper``; an activation must itself be listed),
reads files (``TFSMLayer``, ``StringLookup``), or is of another framework.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS = _words(
    """
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
    Add AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D
    AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization
    Bidirectional CategoryEncoding CenterCrop Concatenate
    ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose
    Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D
    Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D
    Convolution3DTranspose Cropping1D Cropping2D Cropping3D CuDNNGRU CuDNNLSTM CutMix Dense
    DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout EinsumDense ELU Embedding
    Equalization Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
    GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention GRU GRUCell
    HashedCrossing Hashing Identity InputLayer LayerNormalization LeakyReLU LocallyConnected1D
    LocallyConnected2D LSTM LSTMCell Masking Maximum MaxNumBoundingBoxes MaxPool1D MaxPool2D
    MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D MelSpectrogram Minimum MixUp
    MultiHeadAttention Multiply Normalization Permute Pipeline PReLU RandAugment
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
    RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale
    RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
    RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom ReLU
    RepeatVector Rescaling Reshape Resizing ReversibleEmbedding RMSNormalization RNN
    SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D SimpleRNN
    SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D
    SpectralNormalization StackedRNNCells STFTSpectrogram Subtract SyncBatchNormalization
    ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D
    Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """
)
"""Layers of Keras 3 and Keras 2."""

APPLICATIONS = frozenset({"CustomScaleLayer", "LayerScale", "StochasticDepth"})
"""Layers that networks of ``keras.applications`` bring."""

MODELS = frozenset({"Functional", "Model", "Sequential"})

INITIALIZERS = _words(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer
    LecunNormal LecunUniform normal one Ones Orthogonal OrthogonalInitializer RandomNormal
    RandomUniform STFT STFTInitializer TruncatedNormal uniform VarianceScaling zero Zeros
    """
)
"""Initializers, by class and by the short names of Keras 2."""

REGULARIZERS = frozenset({"L1", "L2", "L1L2", "OrthogonalRegularizer"})
CONSTRAINTS = frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "RadialConstraint"})
DTYPE_POLICIES = _words(
    """
    AWQDTypePolicy DTypePolicy DTypePolicyMap FloatDTypePolicy GPTQDTypePolicy Int4DTypePolicy
    Policy QuantizedDTypePolicy QuantizedFloat8DTypePolicy
    """
)
QUANTIZERS = _words(
    """
    AbsMaxQuantizer Float8QuantizationConfig Int4QuantizationConfig Int8QuantizationConfig
    QuantizationConfig
    """
)

ACTIVATIONS = _words(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink
    softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh
    tanh_shrink threshold
    """
)
"""Activation functions."""

OPERATIONS = _words(
    """
    abs absolute adaptive_average_pool adaptive_max_pool add affine_transform all allclose
    amax amin angle any append arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh
    argmax argmin argpartition argsort array array_split average average_pool bartlett
    batch_norm batch_normalization binary_crossentropy bincount bitwise_and bitwise_invert
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman
    broadcast_to cast categorical_crossentropy cbrt cdist ceil celu cholesky cholesky_inverse
    clip concatenate conj conjugate conv conv_transpose convert_to_tensor copy corrcoef
    correlate cos cosh count_nonzero crop_images cross ctc_decode ctc_loss cumprod cumsum
    deg2rad depth_to_space depthwise_conv det diag diagflat diagonal diff digitize divide
    divide_no_nan dot dot_product_attention dsplit dstack eig eigh einsum elastic_transform
    elu empty empty_like equal erf erfc erfinv exp exp2 expand_dims expm1 extract_patches
    extract_patches_3d extract_sequences eye fabs fft fft2 flip fliplr flipud floor
    floor_divide fmax fmin fmod fold full full_like gaussian_blur gcd gelu geomspace get_item
    glu greater greater_equal hamming hanning hard_shrink hard_sigmoid hard_silu hard_swish
    hard_tanh heaviside histogram hsplit hstack hsv_to_rgb hypot i0 identity ifft2 imag
    in_top_k inner inv irfft isclose isfinite isin isinf isnan isneginf isposinf isreal istft
    kaiser kron layer_norm layer_normalization lcm ldexp leaky_relu left_shift less less_equal
    linspace log log10 log1p log2 log_sigmoid log_softmax logaddexp logaddexp2 logdet
    logical_and logical_not logical_or logical_xor logspace logsumexp lstsq lu_factor
    map_coordinates matmul matrix_rank max max_pool maximum mean median meshgrid min minimum
    mod moments moveaxis multi_hot multiply nan_to_num nanargmax nanargmin nancumprod
    nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum
    nanvar ndim negative nextafter nonzero norm normalize not_equal one_hot ones ones_like
    outer pad pad_images percentile perspective_transform pinv polar power prod psnr ptp qr
    quantile rad2deg ravel real rearrange reciprocal relu relu6 repeat reshape resize rfft
    rgb_to_grayscale rgb_to_hsv right_shift rms_norm rms_normalization roll rot90 round rsqrt
    saturate_cast scale_and_translate scatter scatter_update searchsorted segment_max
    segment_min segment_prod segment_sum select selu separable_conv shape sigmoid sign signbit
    silu sin sinc sinh size slice slice_update slogdet sobel_edges soft_shrink softmax
    softplus softsign solve solve_triangular sort space_to_depth
    sparse_categorical_crossentropy sparse_plus sparse_sigmoid sparsemax split sqrt square
    squareplus squeeze ssim stack std stft stop_gradient subtract sum svd swapaxes swish take
    take_along_axis tan tanh tanh_shrink tensordot threshold tile top_k trace transpose
    trapezoid tri tril triu true_divide trunc unfold unique unravel_index unstack vander var
    vdot view view_as_complex view_as_real vsplit vstack where zeros zeros_like
    """
)
"""Functions of ``keras.ops``; their classes have the same names in another spelling."""

OPTIMIZERS = _words(
    """
    Adadelta Adafactor Adagrad Adam Adamax AdamW CosineDecay CosineDecayRestarts
    ExponentialDecay Ftrl InverseTimeDecay Lamb Lion LossScaleOptimizer MultiOptimizer Muon
    Nadam PiecewiseConstantDecay PolynomialDecay RMSprop ScheduleFreeAdamW SGD
    """
)
"""Optimisers and schedules: networks within a network are compiled while they load."""

LOSSES = _words(
    """
    BinaryCrossentropy BinaryFocalCrossentropy CategoricalCrossentropy
    CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge Circle
    CosineSimilarity CTC Dice Hinge Huber KLDivergence LogCosh MeanAbsoluteError
    MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
    SparseCategoricalCrossentropy SquaredHinge Tversky
    """
)
"""Losses."""

METRICS = _words(
    """
    Accuracy AUC BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy
    CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity F1Score
    FalseNegatives FalsePositives FBetaScore Hinge IoU KLDivergence LogCoshError Mean
    MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanSquaredError
    MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson Precision
    PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError
    SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy
    SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
    TopKCategoricalAccuracy TrueNegatives TruePositives
    """
)
"""Metrics."""

MEASURES = _words(
    """
    binary_accuracy binary_crossentropy binary_focal_crossentropy categorical_accuracy
    categorical_crossentropy categorical_focal_crossentropy
    categorical_generalized_cross_entropy categorical_hinge circle concordance_correlation
    cosine_similarity ctc dice hinge huber kl_divergence log_cosh mean_absolute_error
    mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error
    pearson_correlation poisson sparse_categorical_accuracy sparse_categorical_crossentropy
    sparse_top_k_categorical_accuracy squared_hinge top_k_categorical_accuracy tversky
    """
)
"""Functions of ``keras.losses`` and ``keras.metrics``."""

_GRAPH = {
    "": """
    abs add broadcast_to cast clip_by_value concat convert_to_tensor divide expand_dims fill
    gather identity maximum minimum multiply ones ones_like pad pow reduce_all reduce_any
    reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum reshape reverse
    shape split sqrt square squeeze stack stop_gradient strided_slice subtract tile transpose
    unstack where zeros zeros_like
    """,
    "math.": """
    abs accumulate_n acos acosh add add_n angle approx_max_k approx_min_k argmax argmin asin
    asinh atan atan2 atanh bessel_i0 bessel_i0e bessel_i1 bessel_i1e betainc bincount ceil
    confusion_matrix conj cos cosh count_nonzero cumprod cumsum cumulative_logsumexp digamma
    divide divide_no_nan equal erf erfc erfcinv erfinv exp expm1 floor floordiv floormod
    greater greater_equal igamma igammac imag in_top_k invert_permutation is_finite is_inf
    is_nan is_non_decreasing is_strictly_increasing l2_normalize lbeta less less_equal lgamma
    log log1p log_sigmoid log_softmax logical_and logical_not logical_or logical_xor maximum
    minimum mod multiply multiply_no_nan ndtri negative nextafter not_equal polygamma polyval
    pow real reciprocal reciprocal_no_nan reduce_all reduce_any reduce_euclidean_norm
    reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_std reduce_sum
    reduce_variance rint round rsqrt scalar_mul segment_max segment_mean segment_min
    segment_prod segment_sum sigmoid sign sin sinh sobol_sample softmax softplus softsign sqrt
    square squared_difference subtract tan tanh top_k truediv unsorted_segment_max
    unsorted_segment_mean unsorted_segment_min unsorted_segment_prod unsorted_segment_sqrt_n
    unsorted_segment_sum xdivy xlog1py xlogy zero_fraction zeta
    """,
    "nn.": """
    atrous_conv2d atrous_conv2d_transpose avg_pool avg_pool1d avg_pool2d avg_pool3d
    avg_pool_v2 batch_norm_with_global_normalization batch_normalization bias_add conv1d
    conv1d_transpose conv2d conv2d_backprop_filter conv2d_backprop_input conv2d_transpose
    conv3d conv3d_backprop_filter conv3d_backprop_filter_v2 conv3d_transpose conv_transpose
    convolution crelu depth_to_space depthwise_conv2d depthwise_conv2d_backprop_filter
    depthwise_conv2d_backprop_input depthwise_conv2d_native
    depthwise_conv2d_native_backprop_filter depthwise_conv2d_native_backprop_input dropout elu
    fractional_avg_pool fractional_max_pool fused_batch_norm gelu l2_normalize leaky_relu
    local_response_normalization log_softmax lrn max_pool max_pool1d max_pool2d max_pool3d
    max_pool_v2 max_pool_with_argmax moments pool relu relu6 relu_layer selu separable_conv2d
    sigmoid silu softmax softmax_cross_entropy_with_logits
    softmax_cross_entropy_with_logits_v2 softplus softsign space_to_depth swish tanh
    """,
    "image.": """
    adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation central_crop
    combined_non_max_suppression convert_image_dtype crop_and_resize crop_to_bounding_box
    draw_bounding_boxes extract_glimpse extract_image_patches extract_patches flip_left_right
    flip_up_down generate_bounding_box_proposals grayscale_to_rgb hsv_to_rgb image_gradients
    non_max_suppression non_max_suppression_overlaps non_max_suppression_padded
    non_max_suppression_with_scores pad_to_bounding_box per_image_standardization psnr
    random_brightness random_contrast random_crop random_flip_left_right random_flip_up_down
    random_hue random_saturation resize resize_area resize_bicubic resize_bilinear
    resize_image_with_crop_or_pad resize_image_with_pad resize_images resize_nearest_neighbor
    resize_with_crop_or_pad resize_with_pad rgb_to_grayscale rgb_to_hsv rgb_to_yiq rgb_to_yuv
    rot90 sample_distorted_bounding_box sobel_edges ssim ssim_multiscale
    stateless_random_brightness stateless_random_contrast stateless_random_crop
    stateless_random_flip_left_right stateless_random_flip_up_down stateless_random_hue
    stateless_random_saturation stateless_sample_distorted_bounding_box total_variation
    transpose transpose_image yiq_to_rgb yuv_to_rgb
    """,
    "__operators__.": "add eq getitem ne ragged_getitem",
}
GRAPH_FUNCTIONS = frozenset(place + name for place, text in _GRAPH.items() for name in _words(text))
"""TensorFlow functions that networks of Keras 2 call, with or without ``compat.v1.`` before them.

Not in it: what reads the formats of images.
"""
