import { beforeEach, expect, test } from "vitest";

import { forgetToken, keepToken, takeToken } from "../src/server/token";

beforeEach(() => sessionStorage.clear());

test("the token leaves the address bar and stays in the tab", () => {
  history.replaceState(null, "", "/?call=main#token=s3cret&x=1");
  expect(takeToken(location, history, sessionStorage)).toBe("s3cret");
  expect(location.pathname + location.search + location.hash).toBe("/?call=main#x=1");
  expect(takeToken(location, history, sessionStorage)).toBe("s3cret");
});

test("without one there is nothing to take", () => {
  history.replaceState(null, "", "/");
  expect(takeToken(location, history, sessionStorage)).toBeNull();
});

test("a token that was refused is forgotten", () => {
  keepToken("old", sessionStorage);
  forgetToken(sessionStorage);
  history.replaceState(null, "", "/");
  expect(takeToken(location, history, sessionStorage)).toBeNull();
});
