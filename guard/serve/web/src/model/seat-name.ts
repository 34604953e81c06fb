/** Names of calls, participants and templates, as the server accepts them. */

export const NAME_PATTERN = "[A-Za-z0-9_\\-][A-Za-z0-9._\\-]{0,63}";
export const NAME_RULE = "1 to 64 letters, digits, dashes, underscores or dots, no dot first";

const WHOLE_NAME = new RegExp(`^${NAME_PATTERN}$`);

export function isName(text: string): boolean {
  return WHOLE_NAME.test(text);
}
