"""The elements and attributes of VRTs that we know, spelt as GDAL writes them.

GDAL looks names up in any case and takes attributes for child elements; whatever is spelt
otherwise might be a file that nobody checked.
"""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

FILES = ("SourceFilename", "SourceDataset")
"""Elements that hold the name of a file."""
RELATIVE = ("relativeToVRT", "relativetoVRT")
BEFORE = re.compile(r"^(?:[\s\ufeff]|<\?xml[^>]*\?>|<!--.*?-->)+", re.DOTALL)
"""What may stand before the first element."""

_ELEMENTS = frozenset(
    [
        *FILES,
        # a dataset
        *("VRTDataset", "SRS", "GeoTransform", "GCPList", "GCP", "Metadata", "MDI"),
        *("BlockXSize", "BlockYSize", "OverviewList", "MaskBand"),
        # a band
        *("VRTRasterBand", "Description", "UnitType", "Offset", "Scale", "NoDataValue"),
        *("HideNoDataValue", "ColorInterp", "ColorTable", "Entry", "CategoryNames", "Category"),
        *("Histograms", "HistItem", "HistMin", "HistMax", "BucketCount", "IncludeOutOfRange"),
        *("Approximate", "HistCounts", "GDALRasterAttributeTable", "FieldDefn", "Name", "Type"),
        *("Usage", "Row", "F", "Overview", "PixelFunctionType", "PixelFunctionArguments"),
        *("SourceTransferType", "BufferRadius", "SkipNonContributingSources"),
        # a source of a band
        *("SimpleSource", "ComplexSource", "AveragedSource", "KernelFilteredSource"),
        *("NoDataFromMaskSource", "SourceBand", "SourceProperties", "SrcRect", "DstRect"),
        *("ScaleOffset", "ScaleRatio", "LUT", "NODATA", "ColorTableComponent", "UseMaskBand"),
        *("Exponent", "SrcMin", "SrcMax", "DstMin", "DstMax", "Clamp", "Kernel", "Size", "Coefs"),
        *("MaskValueThreshold", "RemappedValue"),
        # a warped dataset
        *("GDALWarpOptions", "WarpMemoryLimit", "ResampleAlg", "WorkingDataType", "Option"),
        *("BandList", "BandMapping", "SrcNoDataReal", "SrcNoDataImag", "DstNoDataReal"),
        *("DstNoDataImag", "SrcAlphaBand", "DstAlphaBand", "Transformer", "ApproxTransformer"),
        *("MaxError", "BaseTransformer", "GenImgProjTransformer", "SrcGeoTransform"),
        *("SrcInvGeoTransform", "DstGeoTransform", "DstInvGeoTransform", "SrcGCPTransformer"),
        *("GCPTransformer", "Order", "Reversed", "SrcTPSTransformer", "TPSTransformer"),
        *("ReprojectTransformer", "ReprojectionTransformer", "SourceSRS", "TargetSRS"),
        "Options",
        # a sharpened dataset
        *("PansharpeningOptions", "Algorithm", "AlgorithmOptions", "Weights", "Resampling"),
        *("NumThreads", "BitDepth", "NoData", "SpatialExtentAdjustment", "PanchroBand"),
        "SpectralBand",
    ]
)
_ATTRIBUTES = frozenset(
    [
        *RELATIVE,
        *("rasterXSize", "rasterYSize", "subClass", "dataType", "band", "blockXSize"),
        *("blockYSize", "dataAxisToSRSAxisMapping", "coordinateEpoch", "Projection", "Id", "Info"),
        *("Pixel", "Line", "X", "Y", "Z", "domain", "key", "resampling", "shared", "c1", "c2"),
        *("c3", "c4", "Row0Min", "BinSize", "tableType", "index", "normalized", "xOff", "yOff"),
        *("xSize", "ySize", "RasterXSize", "RasterYSize", "DataType", "BlockXSize", "BlockYSize"),
        *("name", "src", "dst", "dstBand"),
    ]
)
_OPTIONS = ("AREA_OF_INTEREST",)
"""Of a change of reference system: others may name files with grids."""
_VALUES = {
    "subClass": (
        *("VRTDataset", "VRTWarpedDataset", "VRTPansharpenedDataset"),
        *("VRTRasterBand", "VRTSourcedRasterBand", "VRTWarpedRasterBand"),
        *("VRTDerivedRasterBand", "VRTPansharpenedRasterBand"),
    ),
    "domain": ("", "IMAGE_STRUCTURE", "RPC"),
    **{name: ("0", "1") for name in RELATIVE},
}
"""Attributes whose values choose what GDAL opens."""


def is_vrt_text(text: str) -> bool:
    """Return whether a text is no path but a VRT itself."""
    return BEFORE.sub("", text).startswith("<VRTDataset")


def unknown_words(root: Element) -> Iterator[str]:
    """Yield in words what of a VRT we do not know."""
    for element in root.iter():
        if element.tag not in _ELEMENTS:
            yield f"the element <{element.tag}>"
        for name, value in element.attrib.items():
            if element.tag == "PixelFunctionArguments":  # numbers by names of any kind
                continue
            if name not in _ATTRIBUTES:
                yield f'the attribute {name}="{value}" of <{element.tag}>'
            elif value not in _VALUES.get(name, (value,)) or (
                (element.tag, name) == ("Option", "key") and value not in _OPTIONS
            ):
                yield f'{name}="{value}" of <{element.tag}>'
