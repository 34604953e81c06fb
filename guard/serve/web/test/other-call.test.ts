import { expect, test } from "vitest";

import { busiestOther } from "../src/model/other-call";

test("people are where most of them are, and the first name among equals", () => {
  const calls = [
    { call: "main", participants: 9 },
    { call: "standup", participants: 2 },
    { call: "demo", participants: 3 },
    { call: "board", participants: 3 },
  ];
  expect(busiestOther("main", calls)?.call).toBe("board");
  expect(busiestOther("board", calls)?.call).toBe("main");
});

test("nobody anywhere else", () => {
  expect(busiestOther("main", [])).toBeNull();
  expect(busiestOther("main", [{ call: "main", participants: 4 }])).toBeNull();
  expect(busiestOther("main", [{ call: "demo", participants: 0 }])).toBeNull();
});
