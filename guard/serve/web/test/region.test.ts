import { describe, expect, test } from "vitest";

import { pixelsOf, regionBetween, scaleDown, WHOLE } from "../src/tap/region";

const box = { left: 100, top: 50, width: 800, height: 400 };

describe("a frame drawn on the picture", () => {
  test("is the same whichever corner it begins in", () => {
    const drawn = regionBetween({ x: 300, y: 150 }, { x: 500, y: 350 }, box);
    expect(drawn).toEqual({ x: 0.25, y: 0.25, width: 0.25, height: 0.5 });
    expect(regionBetween({ x: 500, y: 350 }, { x: 300, y: 150 }, box)).toEqual(drawn);
    expect(regionBetween({ x: 500, y: 150 }, { x: 300, y: 350 }, box)).toEqual(drawn);
  });

  test("ends at the picture's edges", () =>
    expect(regionBetween({ x: 0, y: 0 }, { x: 5000, y: 5000 }, box)).toEqual(WHOLE));

  test.each([
    [{ x: 300, y: 150 }, { x: 300, y: 150 }],
    [{ x: 300, y: 150 }, { x: 310, y: 350 }],
    [{ x: 0, y: 0 }, { x: 50, y: 20 }],
  ])("that is a click, a line or beside the picture is none: %o %o", (from, to) =>
    expect(regionBetween(from, to, box)).toBeNull());
});

describe("a region in pixels", () => {
  test("begins and measures even numbers", () =>
    expect(pixelsOf({ x: 0.25, y: 0.25, width: 0.25, height: 0.5 }, 1283, 723)).toEqual({
      x: 320,
      y: 180,
      width: 320,
      height: 360,
    }));

  test.each([1, 2, 3, 17, 720, 1921])("lies inside a picture of %i pixels", (size) => {
    for (const region of [WHOLE, { x: 0.97, y: 0.97, width: 0.03, height: 0.03 }]) {
      const { x = -1, y = -1, width = 0, height = 0 } = pixelsOf(region, size, size);
      expect([x % 2, y % 2, width % 2, height % 2]).toEqual([0, 0, 0, 0]);
      expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
      expect(Math.min(width, height)).toBeGreaterThanOrEqual(2);
      expect(Math.max(x + width, y + height)).toBeLessThanOrEqual(Math.max(size, 2));
    }
  });
});

test("only what has more lines than the guard needs is sent smaller", () => {
  expect([120, 480, 720, 1080].map(scaleDown)).toEqual([1, 1, 1.5, 2.25]);
});
