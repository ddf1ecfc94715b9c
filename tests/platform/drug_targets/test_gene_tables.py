"""Tables of targets, mutations and expression: their forms, and all faults of a file at once."""

from __future__ import annotations

import openpyxl
import pytest

from phenodose.drug_targets.gene_tables import read_drug_targets, read_expression, read_mutations
from phenodose.errors import InputError


@pytest.fixture
def table(tmp_path):
    def table(text, name="table.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return table


def test_a_row_a_target_or_several_in_a_cell(table):
    path = table("Drug.Name,Gene.Name\nTrametinib,MAP2K1\nTrametinib,MAP2K2\nErlotinib , EGFR\nBusulfan,\n")
    assert read_drug_targets(path).of == {
        "Trametinib": {"MAP2K1": "", "MAP2K2": ""},
        "Erlotinib": {"EGFR": ""},
        "Busulfan": {},
    }
    path = table("drug\tclass\ttargets\nImatinib\tTKI\tABL1, KIT; PDGFRA|PDGFRB\n", "table.tsv")
    assert list(read_drug_targets(path).of["Imatinib"]) == ["ABL1", "KIT", "PDGFRA", "PDGFRB"]


def test_the_sheet_that_holds_the_table_is_taken(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["Column", "Details"])
    sheet = book.create_sheet("Data")
    for row in (["Drug", "Gene"], ["A", "EGFR"]):
        sheet.append(row)
    book.save(tmp_path / "targets.xlsx")
    assert read_drug_targets(tmp_path / "targets.xlsx").of == {"A": {"EGFR": ""}}
    book.create_sheet("Older").append(["Drug", "Gene"])
    book.save(tmp_path / "targets.xlsx")
    with pytest.raises(InputError, match="2 sheets hold a table of targets of drugs"):
        read_drug_targets(tmp_path / "targets.xlsx")


def test_all_faults_of_a_table_of_targets_in_one_message(table):
    with pytest.raises(InputError) as caught:
        read_drug_targets(table("drug,gene\n,EGFR\nA,2-Sep\nB,1956\n"))
    message = str(caught.value)
    assert "3 faults" in message
    assert "row 2: the drug is empty" in message
    assert "row 3: the gene is the date 2-Sep" in message
    assert "row 4: the gene is the number 1956" in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("drug,class\nA,B\n", "its header is drug, class; write the columns drug and gene"),
        ("drug,gene,target\nA,B,C\n", r"2 columns that may be the gene \(gene, target\)"),
        ("", "its header is nothing"),
    ],
)
def test_a_table_without_its_columns_is_refused(table, text, says):
    with pytest.raises(InputError, match=says):
        read_drug_targets(table(text))


def test_mutations_of_the_screens_sample(table):
    found = read_mutations(table("gene,alteration\nBRAF,V600E\nCDKN2A,deletion\nBRAF,amplification\nTP53,\n"), ["S"])
    assert found.of == {"S": {"BRAF": "V600E; amplification", "CDKN2A": "deletion", "TP53": "altered"}}


def test_mutations_of_several_samples_need_their_names(table):
    with pytest.raises(InputError, match=r"2 samples \(S, T\); add a column `sample`"):
        read_mutations(table("gene,alteration\nBRAF,V600E\n"), ["S", "T"])
    found = read_mutations(table("sample,gene,alteration\nT,BRAF,V600E\nX,ALK,fusion\n"), ["S", "T"])
    assert found.of == {"S": {}, "T": {"BRAF": "V600E"}}
    assert "other samples are passed over (X)" in found.notes[0]
    with pytest.raises(InputError, match="of the samples X, and the screen's is S"):
        read_mutations(table("sample,gene,alteration\nX,ALK,fusion\n"), ["S"])


def test_a_maf_file_gives_changes_of_the_protein(table):
    header = "Hugo_Symbol\tEntrez_Gene_Id\tGene\tVariant_Classification\tTumor_Sample_Barcode\tHGVSp_Short\n"
    rows = "BRAF\t673\tE1\tMissense_Mutation\tB\tp.V600E\nTP53\t1\tE2\tSplice_Site\tB\t\nTTN\t2\tE\tSilent\tB\tp.L1=\n"
    found = read_mutations(table(f"#version 2.4\n{header}{rows}", "mutations.maf"), ["S"])
    assert found.of == {"S": {"BRAF": "p.V600E", "TP53": "Splice_Site"}}
    assert "1 rows that leave the protein as it is" in found.notes[0]


def test_expression_in_either_unit(table):
    found = read_expression(table("gene,log2FoldChange,padj\nEGFR,2.5,0.1\nALK,NA,NA\nMET,-1,1\n"), ["S"])
    assert (found.of, found.unit) == ({"S": {"EGFR": 2.5, "MET": -1.0}}, "log2 fold change")
    assert read_expression(table("symbol;z_score\nEGFR;1,5\n"), ["S"]).of == {"S": {"EGFR": 1.5}}


def test_all_faults_of_a_table_of_expression_in_one_message(table):
    with pytest.raises(InputError) as caught:
        read_expression(table("gene,z\nEGFR,high\nALK,1\nALK,2\n"), ["S"])
    assert "row 2: the z is 'high'" in str(caught.value)
    assert "row 4: ALK has a second z of S" in str(caught.value)
    with pytest.raises(InputError, match=r"2 columns that may be the log2_fold_change \(z, log2FC\)"):
        read_expression(table("gene,z,log2FC\nEGFR,1,2\n"), ["S"])


def test_another_format_is_refused(table):
    with pytest.raises(InputError, match=r"one of \.xlsx.*save it as \.csv"):
        read_mutations(table("x", "mutations.vcf"), ["S"])


def test_genes_to_the_right_of_the_columns_are_not_passed_over(table):
    with pytest.raises(InputError, match=r"row 2: KDR, KIT to the right of the last column; put quotes"):
        read_drug_targets(table("drug,gene\nSunitinib,FLT3,KDR,KIT\n"))


def test_a_quote_without_its_counterpart_is_told(table):
    with pytest.raises(InputError, match=r"the gene 'EGFR B,KDR' goes over several lines"):
        read_drug_targets(table('drug,gene\nA,"EGFR\nB,KDR\n'))


def test_words_for_no_gene_are_no_target_and_doubtful_genes_are_noted(table):
    found = read_drug_targets(table("drug,gene\nA,unknown\nB,none; N/A\nC,EGFR MET\nD,egfr;EGFR\n"))
    assert found.of == {"A": {}, "B": {}, "C": {"EGFR MET": ""}, "D": {"egfr": "", "EGFR": ""}}
    assert [note.split(": ", 1)[1] for note in found.notes] == [
        "EGFR and egfr differ in upper and lower case alone and count as different genes.",
        "read as one gene each: EGFR MET; several genes in a cell are separated by , ; or |.",
    ]
