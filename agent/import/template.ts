/** A sheet to begin with: the columns that most maps need, and a row for each of the usual cases. Comma-separated. */
export const template = `name,kind,unit,table,address,type,byteOrder,scale,every,description
energy_import,counter,kWh,holding,0,uint32,ABCD,0.01,15m,a total
power,gauge,W,input,52,float32,CDAB,,10s,a momentary value
voltage_l1,gauge,V,holding,0x0BD3,uint16,,0.1,,address in hex
`;
