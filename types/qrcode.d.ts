/** What we call of qrcode. */
declare module 'qrcode' {
  export function toString(text: string, options: { type: 'terminal'; small?: boolean; errorCorrectionLevel?: 'L' | 'M' | 'Q' | 'H' }): Promise<string>
}
