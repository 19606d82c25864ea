/** What we call of qrcode. */
declare module 'qrcode' {
  export function toString(text: string, options: { type: 'terminal' | 'utf8'; small?: boolean; errorCorrectionLevel?: 'L' | 'M' | 'Q' | 'H' }): Promise<string>
}
