/** What an owner does who put an older copy back on purpose. */
export const ACCEPT = 'askee data accept-restored'
