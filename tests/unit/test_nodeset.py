"""Nodesets become tags; what is none is refused with its line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.opcua.nodeset import read_nodeset
from penstock.cli import app
from penstock.errors import ConfigurationError
from penstock.settings.tag_lists import read_tags

NODESET = """<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <NamespaceUris><Uri>urn:acme:press;v1</Uri></NamespaceUris>
  <Aliases><Alias Alias="Double">i=11</Alias><Alias Alias="HasProperty">i=46</Alias></Aliases>
  <UAObject NodeId="ns=1;s=Press" BrowseName="1:Press" ParentNodeId="i=85"/>
  <UAVariable NodeId="ns=1;s=Force" BrowseName="1:Force" DataType="Double">
    <Description>press
      force</Description>
    <References>
      <Reference ReferenceType="i=47" IsForward="false">ns=1;s=Press</Reference>
    </References>
  </UAVariable>
  <UAVariable NodeId="ns=1;i=7" BrowseName="1:Count" DataType="i=7" ParentNodeId="ns=1;s=Press"/>
  <UAVariable NodeId="ns=1;i=8" BrowseName="1:Unit" DataType="i=12" ParentNodeId="ns=1;s=Force">
    <References>
      <Reference ReferenceType="HasProperty" IsForward="false">ns=1;s=Force</Reference>
    </References>
  </UAVariable>
</UANodeSet>
"""


def test_variables_with_path_address_and_type(tmp_path: Path) -> None:
    path = tmp_path / "press.xml"
    path.write_text(NODESET)
    force, count = read_nodeset(path)
    assert force.path == ("Press", "Force")
    assert force.address == "nsu=urn:acme:press%3Bv1;s=Force"
    assert (force.type, force.description) == ("Double", "press force")
    assert (count.address, count.type) == ("nsu=urn:acme:press%3Bv1;i=7", "UInt32")


def test_an_import_is_a_tag_list(tmp_path: Path) -> None:
    (tmp_path / "press.xml").write_text(NODESET)
    output = tmp_path / "tags" / "press.csv"
    words = ["import", str(tmp_path / "press.xml"), "--output", str(output), "--asset", "line1/p7"]
    made = CliRunner().invoke(app, ["connectors", *words])
    assert made.exit_code == 0, made.exception
    assert [(tag.asset, tag.tag) for tag in read_tags(output)] == [
        ("line1/p7", "Press.Force"),
        ("line1/p7", "Press.Count"),
    ]
    again = CliRunner().invoke(app, ["connectors", *words])
    assert "is there already" in str(again.exception)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<UANodeSet><a></UANodeSet>", r"press.xml:1:17: is no XML: mismatched tag"),
        (NODESET.replace("ns=1;s=Force", "kaputt"), "press.xml: 'kaputt' is no OPC UA node id"),
        (NODESET.replace("ns=1;i=7", "ns=7;i=78"), "'ns=7;i=78' has a namespace that the file do"),
        ("<plcopen/>", "is no OPC UA nodeset: it begins with 'plcopen'"),
    ],
)
def test_what_is_no_nodeset(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "press.xml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        list(read_nodeset(path))
