/** What a device says, fit to be shown: a control character becomes U+FFFD, so that nobody overlooks it and no terminal obeys it. */
export const foreignText = (text: string): string => text.replaceAll(/\p{Cc}/gu, '\uFFFD');
