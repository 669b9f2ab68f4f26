"""XML from strangers: no entity is ever declared, resolved or expanded."""

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat


def parse_xml(data: bytes) -> Element:
    """Return the root element of an XML document; a DOCTYPE without entities is allowed.

    Raises:
        ValueError: Not well-formed, or it declares entities.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, AssertionError) as error:
        raise ValueError(str(error)) from error


def _refuse(*_: object) -> int:
    raise ValueError("declares entities")
