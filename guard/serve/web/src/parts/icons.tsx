/** Line icons, 24 x 24, drawn for this page. They are decoration: the text beside them says the same. */

import type { DriverState } from "../events/schema";

const PATHS = {
  verified: "M12 3l7 2.600v5.400c0 4.600-2.900 7.900-7 9.500-4.100-1.600-7-4.900-7-9.500V5.600zM8.800 12l2.200 2.200 4.200-4.400",
  uncertain: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M9.500 9.600a2.500 2.500 0 1 1 3.600 2.300c-.8.400-1.100.9-1.100 1.700M12 16.600v.1",
  mismatch: "M8.300 3h7.400L21 8.300v7.400L15.700 21H8.300L3 15.700V8.300zM9 9l6 6M15 9l-6 6",
  abstain: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M8 12h8",
  unenrolled: "M10.500 11.500a3.750 3.750 0 1 0 0-7.500 3.750 3.750 0 0 0 0 7.500M3.500 20c.4-3.600 3.200-5.500 7-5.500 1.300 0 2.500.2 3.500.7M18.500 15v5M16 17.500h5",
  warming: "M12 3v3.500M12 17.500V21M3 12h3.500M17.500 12H21M5.600 5.600l2.500 2.500M15.900 15.900l2.500 2.500M5.600 18.400l2.500-2.500M15.900 8.100l2.500-2.500",
  sound: "M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM15.500 9a4 4 0 0 1 0 6M18 6.500a7.500 7.500 0 0 1 0 11",
  mute: "M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM16 9.500l5 5M21 9.500l-5 5",
  bell: "M6 16.500V11a6 6 0 0 1 12 0v5.500l1.500 1.500h-15zM10 20.500h4",
  bellOff: "M8.200 6.300A6 6 0 0 1 18 11v4M17 18H4.500L6 16.500V11c0-.6.1-1.200.3-1.800M10 20.500h4M4 4l16 16",
  sun: "M12 16.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9M12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
  auto: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M12 3v18M15 4v16M18 6v12",
  picture: "M4 5.500h16v13H4zM4 15.500l4.500-4 4 3.500 3-2.500 4.500 3.500M15.500 9.500v.1",
  pictureOff: "M7 5.500h13v10M17.500 18.500H4v-12M4 15.500l4.500-4 5 4.500M3.500 3.500l17 17",
  check: "M5 12.500l4.500 4.500L19 7.500",
  warning: "M12 4l9 16H3zM12 10v4.500M12 17.300v.1",
  camera: "M3.500 7h11v10h-11zM14.500 10.500l6-3v9l-6-3",
  seat: "M7 4.500v8h10v-8M5 10v5h14v-5M7 15v4.500M17 15v4.500",
  leave: "M10 4.500H5v15h5M14 8l4 4-4 4M18 12H9.500",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function StateIcon({ state }: { state: DriverState }) {
  return <Icon name={state} />;
}
