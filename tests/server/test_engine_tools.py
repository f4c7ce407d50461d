from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from server_kit import example

from langchain_moonshot_cache.server.engine import Reply, ScriptedEngine

(CODE_RUNNER,) = example("create_request")["tools"]


def tool(name: str, description: str = "", **properties: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
    }
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


WEATHER = tool("get_weather", "Get the weather at a location.", location="string")
ADDER = tool("adder", "Add two integers.", a="integer", b="integer")
MAGIC = tool("magic_function", "Apply a magic function.", input="integer")
NO_ARGUMENTS = tool("roll_dice", "Roll the dice.")


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def ask(*messages: dict[str, Any] | str, **fields: Any) -> Reply:
    turns = [user(turn) if isinstance(turn, str) else turn for turn in messages]
    return ScriptedEngine().reply({"messages": turns, **fields})


def made(reply: Reply) -> list[tuple[str, dict[str, Any]]]:
    functions = [call["function"] for call in reply.tool_calls]
    return [(each["name"], json.loads(each["arguments"])) for each in functions]


def answered(reply: Reply, *results: str) -> list[dict[str, Any]]:
    calls = [dict(call) for call in reply.tool_calls]
    return [
        {"role": "assistant", "content": None, "tool_calls": calls},
        *(
            {"role": "tool", "tool_call_id": call["id"], "content": result}
            for call, result in zip(calls, results, strict=True)
        ),
    ]


def test_the_announced_question_is_answered_by_running_its_program() -> None:
    reply = ask("编程判断 3214567 是否是素数。", tools=[CODE_RUNNER])
    [(name, arguments)] = made(reply)
    assert (name, arguments["language"]) == ("CodeRunner", "python")
    assert (reply.content, reply.finish_reason) == (None, "tool_calls")
    assert run(arguments["code"]) == "3214567 是素数。"


@pytest.mark.parametrize(
    ("question", "printed"),
    [
        ("编程判断 3214569 是否是素数。", "3214569 不是素数。"),
        ("Write code to tell whether 97 is prime.", "97 is a prime number."),
        ("判断 1 是不是质数", "1 不是素数。"),
        ("计算 (12+30)*2 等于多少", "84"),
        ("What is the factorial of 10? Compute it.", "3628800"),
        ("运行 python 代码打个招呼", "运行 python 代码打个招呼"),
    ],
)
def test_programs_run_and_print_the_answer(question: str, printed: str) -> None:
    [(_, arguments)] = made(ask(question, tools=[CODE_RUNNER]))
    assert run(arguments["code"]) == printed


def test_a_program_is_written_in_the_language_that_is_asked_for() -> None:
    reply = ask("用 javascript 编程判断 7 是否是素数", tools=[CODE_RUNNER])
    [(_, arguments)] = made(reply)
    assert arguments["language"] == "javascript"
    assert "console.log" in arguments["code"]


def test_a_question_without_a_task_is_answered_in_text_though_there_are_tools() -> None:
    reply = ask("hello", tools=[CODE_RUNNER, WEATHER, ADDER, MAGIC])
    assert reply.tool_calls == ()
    assert reply.finish_reason == "stop"
    assert reply.content


@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [
        ("What is magic_function(3)? Use the tool.", "magic_function", {"input": 3}),
        ("What is 1 + 2", "adder", {"a": 1, "b": 2}),
        ("Weather in Oslo?", "get_weather", {"location": "Oslo"}),
        (
            "What is the weather in San Francisco, CA?",
            "get_weather",
            {"location": "San Francisco, CA"},
        ),
        ("北京今天的天气怎么样？", "get_weather", {"location": "北京"}),
        ("Please roll the dice.", "roll_dice", {}),
    ],
)
def test_the_tool_that_fits_the_question_is_called(
    question: str, name: str, arguments: dict[str, Any]
) -> None:
    tools = [WEATHER, ADDER, MAGIC, NO_ARGUMENTS]
    assert made(ask(question, tools=tools)) == [(name, arguments)]


def test_a_tool_asked_about_two_places_is_called_twice_with_ids_of_their_own() -> None:
    reply = ask("What is the weather in Paris and in Rome?", tools=[WEATHER])
    assert [arguments["location"] for _, arguments in made(reply)] == ["Paris", "Rome"]
    assert [call["id"] for call in reply.tool_calls] == [
        "get_weather:0",
        "get_weather:1",
    ]


def test_one_call_is_made_where_parallel_calls_are_switched_off() -> None:
    question = "What is the weather in Paris and in Rome?"
    reply = ask(question, tools=[WEATHER], parallel_tool_calls=False)
    assert made(reply) == [("get_weather", {"location": "Paris"})]


def test_no_tool_is_called_when_the_choice_is_none() -> None:
    reply = ask("What is 1 + 2", tools=[ADDER], tool_choice="none")
    assert reply.tool_calls == ()


def test_a_required_choice_calls_a_tool_that_hardly_fits() -> None:
    reply = ask("Hello!", tools=[MAGIC, WEATHER], tool_choice="required")
    assert len(reply.tool_calls) == 1


def test_a_named_choice_calls_the_named_tool() -> None:
    choice = {"type": "function", "function": {"name": "get_weather"}}
    reply = ask(
        "What is magic_function(3)?", tools=[MAGIC, WEATHER], tool_choice=choice
    )
    assert [name for name, _ in made(reply)] == ["get_weather"]


def test_unicode_stays_readable_in_the_argument_text() -> None:
    customer = tool("make_customer", "Create a customer.", customer_name="string")
    reply = ask("Create a customer named '你好啊集团' (Hello Group)", tools=[customer])
    arguments = reply.tool_calls[0]["function"]["arguments"]
    assert arguments == '{"customer_name": "你好啊集团"}'


def test_a_result_is_repeated_in_the_answer() -> None:
    question = "编程判断 3214567 是否是素数。"
    first = ask(question, tools=[CODE_RUNNER])
    turns = answered(first, "3214567 是素数。")
    second = ask(question, *turns, tools=[CODE_RUNNER])
    assert second.tool_calls == ()
    assert "3214567 是素数。" in (second.content or "")


def test_all_results_of_one_turn_are_repeated() -> None:
    question = "What is the weather in Paris and in Rome?"
    turns = answered(ask(question, tools=[WEATHER]), "rain", "sunshine")
    content = ask(question, *turns, tools=[WEATHER]).content or ""
    assert content.index("rain") < content.index("sunshine")


def test_a_call_that_was_made_is_answered_from_its_result_instead_of_made_again() -> (
    None
):
    question = "What is the weather in Oslo?"
    turns = answered(ask(question, tools=[WEATHER]), "snow")
    told = {"role": "assistant", "content": "The result is: snow"}
    again = ask(
        question, *turns, told, user("Weather in Oslo, once more"), tools=[WEATHER]
    )
    assert again.tool_calls == ()
    assert "snow" in (again.content or "")


def test_a_second_tool_named_by_the_question_is_called_after_the_first() -> None:
    question = "Use adder for 1 + 2, then magic_function(3)."
    tools = [ADDER, MAGIC]
    turns: list[dict[str, Any]] = []
    names = []
    while calls := (reply := ask(question, *turns, tools=tools)).tool_calls:
        names += [call["function"]["name"] for call in calls]
        turns += answered(reply, *("5" for _ in calls))
    assert sorted(names) == ["adder", "magic_function"]


def test_ids_never_repeat_in_a_conversation() -> None:
    turns: list[dict[str, Any]] = []
    seen: list[str] = []
    for city in ("Oslo", "Rome", "Lima", "Bonn"):
        turns.append(user(f"What is the weather in {city}?"))
        reply = ask(*turns, tools=[WEATHER])
        seen += [call["id"] for call in reply.tool_calls]
        turns += answered(reply, f"fine in {city}")
    assert seen == [f"get_weather:{number}" for number in range(4)]


def test_ids_that_a_client_has_changed_are_not_given_again() -> None:
    turns = answered(ask("What is the weather in Oslo?", tools=[WEATHER]), "snow")
    turns[0]["tool_calls"][0]["id"] = turns[1]["tool_call_id"] = "get_weather:1"
    reply = ask(user("hm"), *turns, user("Weather in Rome?"), tools=[WEATHER])
    assert [call["id"] for call in reply.tool_calls] == ["get_weather:2"]


def test_a_built_in_tool_gets_a_query_and_keeps_its_type() -> None:
    search = {"type": "builtin_function", "function": {"name": "$web_search"}}
    reply = ask("Search the web for otters", tools=[search])
    assert reply.tool_calls[0]["type"] == "builtin_function"
    assert "otters" in made(reply)[0][1]["query"]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", "-c", code],
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=30,
    )
    return done.stdout.strip()


def test_a_choice_that_nothing_speaks_for_takes_the_last_tool() -> None:
    closing = tool("Verdict", text="string")
    reply = ask("Hello!", tools=[WEATHER, closing], tool_choice="required")
    assert [name for name, _ in made(reply)] == ["Verdict"]


def test_a_call_that_is_forced_after_results_is_made_from_them() -> None:
    question = "What is the weather in Oslo?"
    tools = [WEATHER, ADDER, tool("Verdict", text="string", degrees="integer")]
    first = ask(question, tools=tools, tool_choice="required")
    assert [name for name, _ in made(first)] == ["get_weather"]
    turns = answered(first, '"snow" at -7')
    second = ask(question, *turns, tools=tools, tool_choice="required")
    assert made(second) == [("Verdict", {"text": "snow", "degrees": -7})]


def test_a_language_without_choices_is_that_of_the_program() -> None:
    runner = tool("run_code", language="string", code="string")
    [(_, arguments)] = made(ask("编程判断 7 是否是素数。", tools=[runner]))
    assert arguments["language"] == "python"
