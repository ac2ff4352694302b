export const DAY_MS = 86_400_000;

/** The longest delay that a timer takes: 2^31 - 1 ms. */
export const MAX_TIMER_MS = 2_147_483_647;
export const GIB = 1_073_741_824;
