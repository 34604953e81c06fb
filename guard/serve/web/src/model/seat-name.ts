/** Names of calls, participants and templates, as the server accepts them. */

export const NAME_PATTERN = "[A-Za-z0-9._\\-]{1,64}";
export const NAME_RULE = "1 to 64 letters, digits, dots, dashes or underscores";

const WHOLE_NAME = new RegExp(`^${NAME_PATTERN}$`);

export function isName(text: string): boolean {
  return WHOLE_NAME.test(text);
}
