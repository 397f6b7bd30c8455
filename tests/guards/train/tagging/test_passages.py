"""Pieces laid out as a text with places."""

from watchpost_guards.train.tagging.passages import Piece, join_neighbours, lay_out, rewrite


def test_places_are_counted_after_pieces_were_rewritten() -> None:
    pieces = [Piece("die Straße heißt "), Piece("Große Straße", "ADDRESS"), Piece("!")]
    passage = lay_out(rewrite(pieces, str.upper, all_of=True), "t", "s")
    ((start, end, kind),) = passage.spans
    assert (passage.text[start:end], kind) == ("GROSSE STRASSE", "ADDRESS")


def test_space_around_a_piece_is_no_part_of_it() -> None:
    passage = lay_out([Piece(" Ada \n", "PERSON"), Piece(" ", "LOCATION")], "t", "s")
    assert passage.spans == ((1, 4, "PERSON"),)


def test_first_and_last_name_are_one_and_two_people_are_two() -> None:
    assert join_neighbours("Ada Lovelace", [(0, 3, "PERSON"), (4, 12, "PERSON")]) == (
        (0, 12, "PERSON"),
    )
    assert len(join_neighbours("Ada, Bob", [(0, 3, "PERSON"), (5, 8, "PERSON")])) == 2


def test_a_street_and_its_town_are_one_address_and_two_towns_are_two_places() -> None:
    text = "1 Oak St\n London, Paris"
    spans = [(0, 8, "ADDRESS"), (10, 16, "LOCATION")]
    assert join_neighbours(text, spans) == ((0, 16, "ADDRESS"),)
    assert len(join_neighbours("London, Paris", [(0, 6, "LOCATION"), (8, 13, "LOCATION")])) == 2
