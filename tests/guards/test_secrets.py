"""The guard `secrets`: credentials by form and by name, prose left alone, linear time."""

import pytest

from watchpost.screening.guard import Question
from watchpost_guards.secrets import create, measure_entropy

GUARD = create()

# Put together here so that no scanner of this repository takes them for leaked ones.
KEYS = {
    "sk-" + "proj-abcdEFGH1234567890abcdEFGH": "API_KEY",
    "sk-" + "ant-api03-AbCdEfGhIjKlMnOpQrSt_u-v": "API_KEY",
    "AKIA" + "IOSFODNN7EXAMPLE": "AWS_ACCESS_KEY",
    "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a": "GITHUB_TOKEN",
    "xoxb-" + "123456789012-abcdefghij": "SLACK_TOKEN",
    "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc": "STRIPE_KEY",
    "AIza" + "SyA-1234567890abcdefghijklmnopqrstu": "API_KEY",
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N": "JWT",
}
BEGIN, END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"


def found(text: str) -> list[str]:
    return [text[f.start : f.end] for f in GUARD.check(Question(text)).findings]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("around", ["{}", "use {} please", '{{"k":"{}"}}', "?key={}&x=1", "({})"])
def test_a_key_of_a_known_form_is_found_whole(key: str, around: str) -> None:
    verdict = GUARD.check(Question(around.format(key)))
    assert (key, KEYS[key]) in [
        (around.format(key)[f.start : f.end], f.label) for f in verdict.findings
    ]
    assert verdict.probability == 1.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password: hunter2", "hunter2"),
        ("my password is Tr0ub4dor&3", "Tr0ub4dor&3"),
        ('"client_secret": "s3cr3t v4lue"', "s3cr3t v4lue"),
        ("API_KEY=abc123def456", "abc123def456"),
        ("?access_token=abc123def456&next=1", "abc123def456"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
        ("Authorization: Bearer abcdef1234567890", "abcdef1234567890"),
        ("postgres://bob:hunter2@db:5432/x", "bob:hunter2"),
    ],
)
def test_a_value_given_to_a_secrets_name_is_found(text: str, value: str) -> None:
    assert found(text) == [value]


def test_a_private_key_is_found_with_all_its_lines_even_cut_short() -> None:
    body = "\nMIIEpAIBAAKCAQEA\nabcdefgh+/==\n"
    assert found(f"see {BEGIN}{body}{END} there") == [BEGIN + body + END]
    assert found(f"{BEGIN}{body}")[0].startswith(BEGIN)
    assert "MIIEpAIBAAKCAQEA" in found(f"{BEGIN}{body}")[0]


@pytest.mark.parametrize(
    "text",
    [
        "password is required, the token is invalid",
        "max_tokens: 4096, tokens=12345678",
        "password = os.environ['X']; api_key = settings.api_key",
        "task-force, sk-learn, risk_assessment",
        "Bearer of bad news, basic information about it",
        'password: "changeme", token: <your-token>, secret: ${SECRET}',
        "password: [SECRET] and key [API_KEY]",
    ],
)
def test_prose_code_and_placeholders_are_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "unit",
    [
        "sk-",
        "password=",
        "pass ",
        "token_",
        BEGIN + "\n",
        "://",
        "://a:b",
        "eyJ.",
        "AKIA",
        "Bearer ",
    ],
)
def test_a_hostile_megabyte_is_answered(unit: str) -> None:
    assert GUARD.check(Question(unit * (1_000_000 // len(unit)))).guard == "secrets"


def test_entropy_grows_with_the_number_of_different_characters() -> None:
    assert measure_entropy("") == 0
    assert measure_entropy("aaaa") < measure_entropy("abab") < measure_entropy("abcd")
