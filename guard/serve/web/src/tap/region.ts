/** Which part of a picture shows one person. */

/** In parts of the picture's width and height, so that it stays where it is when the picture changes size. */
export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A point on the page, and where on the page the picture lies; in CSS pixels. */
export interface Point {
  x: number;
  y: number;
}
export type Box = Pick<DOMRect, "left" | "top" | "width" | "height">;

export const WHOLE: Region = { x: 0, y: 0, width: 1, height: 1 };
/** A face needs a sixth of the height; less than this of the picture was a click, not a frame. */
const SMALLEST = 0.03;
/** Lines of video that are plenty for the guard. */
const ENOUGH_LINES = 480;

/** The rectangle between two points, cut at the picture's edges; null where it is too small to hold anybody. */
export function regionBetween(from: Point, to: Point, box: Box): Region | null {
  const across = [from.x, to.x].map((x) => clamp((x - box.left) / box.width)).sort((a, b) => a - b);
  const down = [from.y, to.y].map((y) => clamp((y - box.top) / box.height)).sort((a, b) => a - b);
  const [left = 0, right = 0] = across;
  const [top = 0, bottom = 0] = down;
  const region = { x: left, y: top, width: right - left, height: bottom - top };
  return region.width < SMALLEST || region.height < SMALLEST ? null : region;
}

/** The region in pixels of a picture; even numbers, as pictures with halved colour planes need, and at least two. */
export function pixelsOf(region: Region, width: number, height: number): DOMRectInit {
  const [x, across] = evenSpan(region.x, region.width, width);
  const [y, down] = evenSpan(region.y, region.height, height);
  return { x, y, width: across, height: down };
}

/** How many times smaller a picture of so many lines may be sent. */
export function scaleDown(lines: number): number {
  return Math.max(1, lines / ENOUGH_LINES);
}

function evenSpan(start: number, length: number, size: number): [start: number, length: number] {
  const last = Math.max(0, size - 2);
  const from = Math.min(even(start * size), even(last));
  return [from, Math.max(2, Math.min(even(length * size), even(size - from)))];
}

function even(value: number): number {
  return 2 * Math.floor(value / 2);
}

function clamp(part: number): number {
  return Math.min(1, Math.max(0, part));
}
