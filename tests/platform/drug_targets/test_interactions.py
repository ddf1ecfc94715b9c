"""Interactions in the forms of the public databases, and what is said of a file that is none."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from phenodose.drug_targets.interactions import read_interactions
from phenodose.errors import InputError

GENES = ("BRAF", "MAP2K1", "EGFR", "MCL1", "MCL-1")


@pytest.fixture
def read(tmp_path):
    def read(text, name="interactions.tsv", **options):
        path = tmp_path / name
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text, encoding="utf-8")
        return read_interactions(path, GENES, **options)

    return read


def pairs(network):
    return [
        tuple(row) for row in network.edges[["source", "target", "interaction", "directed"]].itertuples(index=False)
    ]


def test_sif_with_tabs_or_blanks_and_several_genes_in_a_row(read):
    for sign in ("\t", "  "):
        network = read(f"MAP2K1{sign}pp{sign}BRAF{sign}RAF1\nALONE\nBRAF{sign}pp{sign}MAP2K1\n", "network.sif")
        assert pairs(network) == [("BRAF", "MAP2K1", "pp", False), ("MAP2K1", "RAF1", "pp", False)]
        assert network.known == {"BRAF", "MAP2K1"}
        assert "SIF" in network.notes[0]


def test_pathway_commons_with_directions_small_molecules_and_its_second_part(read):
    plain = "BRAF\tcontrols-state-change-of\tMAP2K1\nMAP2K1\tin-complex-with\tBRAF\nBRAF\tused-to-produce\tCHEBI:1\n"
    found = [("BRAF", "MAP2K1", "controls-state-change-of; in-complex-with", True)]
    assert pairs(read(plain, "pc.sif")) == found
    rows = "".join(f"{line}\tReactome\n" for line in plain.splitlines())
    header, second = "PARTICIPANT_A\tINTERACTION_TYPE\tPARTICIPANT_B\tSOURCE\n", "PARTICIPANT\tTYPE\tNAME\tREF\n"
    network = read(f"{header}{rows}\n{second}BRAF\tP\tEGFR\tx\n", "pc.txt")
    assert pairs(network) == found
    assert "1 do not name two genes" in network.notes[1]


def test_string_whole_network_with_names_packed_and_cut_at_a_score(read, tmp_path):
    info = tmp_path / "9606.protein.info.txt"
    ids = {gene: f"9606.ENSP{n:011}" for n, gene in enumerate(("BRAF", "MAP2K1", "EGFR"))}
    info.write_text(
        "#string_protein_id\tpreferred_name\tprotein_size\n" + "".join(f"{i}\t{g}\t9\n" for g, i in ids.items())
    )
    rows = [("BRAF", "MAP2K1", 999), ("MAP2K1", "BRAF", 999), ("BRAF", "EGFR", 300)]
    text = "protein1 protein2 combined_score\n" + "".join(f"{ids[a]} {ids[b]} {score}\n" for a, b, score in rows)
    network = read(gzip.compress(text.encode()), "links.txt.gz", least_score=700, gene_names=info)
    assert pairs(network) == [("BRAF", "MAP2K1", "", False)]
    assert network.edges["score"].tolist() == [999]
    assert network.known == {"BRAF", "MAP2K1", "EGFR"}, "what is named below the score is known"
    with pytest.raises(InputError, match=r"identifiers \(ENSP...\) and not genes.*gene_names"):
        read(text)


def test_string_page_is_used_whole_with_a_word_on_the_score(read):
    network = read("#node1\tnode2\tnode1_string_id\tcombined_score\nBRAF\tEGFR\t9606.E\t0.4\n")
    assert pairs(network) == [("BRAF", "EGFR", "", False)]
    assert any("least_score" in note for note in network.notes)


def test_omnipath_by_symbols_with_signs_and_directions(read):
    network = read(
        "source\ttarget\tsource_genesymbol\ttarget_genesymbol\tis_directed\tis_stimulation\tis_inhibition\ttype\n"
        "P15056\tQ02750\tBRAF\tMAP2K1\t1\t1\t0\tptm\nP00533\tP15056\tEGFR\tBRAF\t0\t0\t0\tppi\n"
    )
    assert pairs(network) == [("BRAF", "EGFR", "ppi", False), ("BRAF", "MAP2K1", "stimulates", True)]
    assert "source_genesymbol and target_genesymbol" in network.notes[0]


def test_signor_leaves_out_what_is_no_protein(read):
    network = read(
        'ENTITYA\tTYPEA\tIDA\tENTITYB\tTYPEB\tIDB\tEFFECT\tSCORE\t\n"BRAF"\tprotein\tP\tMAP2K1\tprotein\tQ\t'
        "up-regulates\t0.7\t\nBRAF\tprotein\tP\tProliferation\tphenotype\tS\tup-regulates\t\t\n"
    )
    assert pairs(network) == [("BRAF", "MAP2K1", "up-regulates", True)]


def test_a_csv_of_two_genes_and_a_gene_with_itself(read):
    network = read("gene1,gene2\nBRAF,BRAF\nEGFR,BRAF\n", "own.csv")
    assert pairs(network) == [("BRAF", "EGFR", "", False)]
    assert np.isnan(network.edges["score"][0])
    assert "1 are of a gene with itself" in network.notes[1]


def test_another_spelling_is_told_and_not_taken(read):
    network = read("MCL1\tpp\tBRAF\nEgfr\tpp\tBRAF\n", "network.sif")
    assert network.known == {"MCL1", "BRAF"}
    assert network.alike == {"EGFR": "Egfr", "MCL-1": "MCL1"}


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("", {}, "is empty"),
        ("gene1,gene2\n", {}, "holds no interaction"),
        ("BRAF\tMAP2K1\n", {}, "is no file of interactions"),
        ("BRAF\tpp\tMAP2K1\nBRAF\tMAP2K1\n", {}, "row 2 has two columns"),
        ("Protein A\tProtein B\t0.9\n", {}, "is no file of interactions"),
        ("Protein A\tProtein B\tValue\nBRAF\tEGFR\t0.9\n", {}, "row 2 has the number 0.9"),
        ("gene1\tgene2\tscore\nBRAF\tEGFR\thigh\n", {}, "score 'high' is no number"),
        ("gene1\tgene2\nBRAF\tEGFR\n", {"least_score": 0.7}, "no column of scores"),
        ("gene1\tgene2\n1\tBRAF\tEGFR\n", {}, "header has 2 columns and the first row 3"),
        (b"PK\x03\x04", {}, "not a text file"),
        # A test is named by its bytes: without the time of day, or two processes would know two tests.
        (gzip.compress(b"gene1\tgene2\n" + b"BRAF\tEGFR\n" * 5000, mtime=0)[:60], {}, "damaged or cut off"),
    ],
)
def test_a_file_that_is_none_is_refused_with_what_to_do(read, content, options, says):
    with pytest.raises(InputError, match=says) as caught:
        read(content, **options)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_interactions(tmp_path / "absent.sif", GENES)


@pytest.mark.parametrize("start", ["", "MAP2K1\tpp\tBRAF\n", "source\ttarget\n", "source,target\n"])
def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(read, start):
    text = gzip.compress(start.encode() + b"A" * 5_000_000, 1)
    with pytest.raises(InputError, match="has a line of more than 100000 characters") as refused:
        read(text)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("protein\tgene\n9606.A\tEGFR\n9606.A\tMCL1\n", "9606.A stands for EGFR and for MCL1; keep one row"),
        ("", "holds no name of a gene"),
    ],
)
def test_a_table_of_names_that_says_two_things_or_nothing_is_refused(read, tmp_path, names, says):
    (tmp_path / "names.tsv").write_text(names)
    with pytest.raises(InputError, match=says):
        read("protein1\tprotein2\n9606.A\t9606.B\n", gene_names=tmp_path / "names.tsv")
